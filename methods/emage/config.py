"""Sizes of EMAGE, and how its outputs become motion. Imports nothing heavy."""

from typing import Literal

from gesturebench.common.config import Config

Route = Literal["latent", "index"]
"""`latent`: the predicted latent is snapped to the nearest code; `index`: the code of the largest logit."""

Tail = Literal["whole", "released"]
"""How a speech ends. `whole`: with as many frames as it has; `released`: where no more frames than a seed's follow the
last whole window, they and the window's own last ones are left out."""


class Routes(Config):
    """How each part is decoded; the defaults are those of the published weights."""

    upper: Route = "index"
    hands: Route = "index"
    face: Route = "latent"
    lower: Route = "index"


class EmageConfig(Config):
    """Sizes of the audio model; the defaults are the published ones."""

    hidden: int = 768
    audio: int = 256
    """Channels of each of the two speech encoders."""
    motion: int = 256
    """Channels of the encoder of masked motion."""
    codes: int = 256
    """Entries of a codebook, and as published also the width of its latents."""
    heads: int = 4
    feed_forward: int = 1536
    dropout: float = 0.1
    face_layers: int = 4
    cross_layers: int = 8
    speakers: int = 1
    window: int = 64
    """Frames of a window, and the period of the position table, which covers two of them."""
    seed_frames: int = 4
    """How many frames of a window repeat the end of the window before."""
    routes: Routes = Routes()
    rotations: Literal["stable", "legacy"] = "stable"
    """How decoded 6D rotations become axis-angle and the next window's seed.

    `legacy`: by way of quaternions as released, which near a half turn is wrong by up to 5e-4 rad.
    """
    tail: Tail = "whole"


FPS = 30
SAMPLE_RATE = 16_000
SAMPLES_PER_FRAME = 533
"""Speech of a frame as the published weights were trained: a third of a sample less than 16 000 / 30."""
