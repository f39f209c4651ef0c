"""Methods: speech in, motion of equal length out. One package per method; `base.py` holds the contract, `registry.py`
finds them.
"""
