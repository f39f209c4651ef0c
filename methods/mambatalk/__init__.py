"""MambaTalk (Xu et al., NeurIPS 2024): selective scans over speech and masked motion, to the codes of four part
VQ-VAEs.

`config.py` sizes, switches and quirks; `channels.py` and `tokens.py` what is heard, `words.py` what is read;
`wave_encoder.py`, `fusion.py`, `global_scan.py`, `local_scan.py` and `network.py` the network, with the names of the
published weights; `losses.py` and `fitting.py` its training; `decoding.py`, `windows.py` and `inference.py` windows
over a speech of any length; `generation.py` and `method.py` the method; `published*.py` the weights as they are
published.
"""
