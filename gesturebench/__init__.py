"""Benchmark and ablation suite for co-speech gesture generation on BEAT2."""

__version__ = "0.1.0"
