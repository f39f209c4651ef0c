"""What every method stands on: data, motion, codecs, networks, diffusion, retrieval. Knows no method, no metric, no
scheduler.
"""
