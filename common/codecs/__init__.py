"""Codecs: motion of one body part <-> a short sequence of latents (part VAEs)."""
