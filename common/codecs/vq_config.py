"""Sizes of the convolutional part codecs. Imports nothing heavy."""

from gesturebench.common.config import Config


class ConvConfig(Config):
    """Sizes of an encoder or decoder of 1-D convolutions over time; the defaults are the published ones."""

    width: int = 256
    layers: int = 2
    """2 for face, upper body and hands, 4 for the lower body and for global motion."""


class VQConfig(ConvConfig):
    """A convolutional codec with one codebook."""

    codes: int = 256
    commitment: float = 1.0
    """Weight (beta) of the term that draws the encoder towards the codebook."""
