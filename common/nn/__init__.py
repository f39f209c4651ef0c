"""Blocks used by more than one method.

Legend of all files here: B batch, T tokens of the sequence, N condition tokens, D width, H heads, E width of the time
embedding. Parameter names are those of the published checkpoints, so that weights load without renaming.
"""
