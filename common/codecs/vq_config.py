"""Sizes and training of the convolutional part codecs. Imports nothing heavy."""

from typing import Literal

from pydantic import Field

from gesturebench.common.budget import Training
from gesturebench.common.config import Config

QUALITY = "quality.json"
"""Inside the artifact of a trained codec: `{"reconstruction": ..., "codebook": ...}`, see `prior_quality.py`."""


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


class PriorConfig(Config):
    """Motion priors: four part codecs with a codebook each and the network of global motion, and how they are trained.

    Shared by the methods that predict codes; with equal settings they share the trained networks.
    """

    codec: VQConfig = VQConfig()
    lower_layers: int = 4
    """Of the lower-body codec and of global motion; `codec.layers` are the others'."""
    frames: int = Field(64, ge=3)
    """Of a training window, 30 a second."""
    stride: int = Field(20, ge=1)
    """Training windows start at its multiples."""
    centred: bool = False
    """Features enter centred and scaled by what training windows hold, and leave around their mean."""
    uncoded: float = Field(0.0, ge=0, lt=1)
    """Share of the training in which decoders are given latents as they are; codes are means of such latents then. As
    published there are codes from the first step, within 1 / codes of zero; short trainings of that kind end with a few
    that stand for everything."""
    body: Literal["joints", "vertices", "none"] = "joints"
    """Which points of the body model the losses compare: `joints`, and of the face the vertices that it can move;
    `vertices`: all that the part can move, by skinning, as published; `none`: no such terms."""
    body_velocity: Literal["time", "released"] = "time"
    """What velocity and acceleration of vertices are differences over: frames, or (`released`, with `vertices`) over
    the numbers of vertices, which compares neighbours in the list of vertices and not how they move."""
    face_pairing: Literal["own", "released"] = "own"
    """Faces that are compared: predicted jaw and expression with true ones, or (`released`) the predicted jaw beside
    true expressions with the true jaw beside predicted ones."""
    training: Training = Training()
    upper_steps: int | None = Field(None, ge=0)
    """Training steps of the upper body where they are others."""

    def part_codec(self, part: str) -> VQConfig:
        """Sizes of the codec of a part."""
        return self.codec.model_copy(update={"layers": self.lower_layers}) if part == "lower" else self.codec

    @property
    def global_motion(self) -> ConvConfig:
        return ConvConfig(width=self.codec.width, layers=self.lower_layers)

    def part_training(self, part: str) -> Training:
        if part == "upper" and self.upper_steps is not None:
            return self.training.model_copy(update={"steps": self.upper_steps})
        return self.training


_STEPS_OF_AN_EPOCH = 118
"""Windows of the training clips of BEAT2's speaker 2 at stride 20, in batches of 64."""

PRIORS: dict[str, PriorConfig] = {
    "tiny": PriorConfig(
        codec=VQConfig(width=32, codes=32),
        lower_layers=2,
        centred=True,
        uncoded=0.5,
        training=Training(steps=40, batch=4, lr=2e-3),
    ),
    "demo": PriorConfig(
        codec=VQConfig(width=64, codes=64),
        centred=True,
        uncoded=0.5,
        training=Training(steps=120, batch=4, lr=2e-3),
    ),
    "paper": PriorConfig(
        body="vertices",
        training=Training(
            steps=800 * _STEPS_OF_AN_EPOCH, batch=64, lr=1.5e-4, final_lr=0.1, decay="step",
            decay_steps=780 * _STEPS_OF_AN_EPOCH, betas=(0.5, 0.999), clip_norm=None, save_every=1000,
        ),
        upper_steps=500 * _STEPS_OF_AN_EPOCH,
    ),
}  # fmt: skip
"""By size. As published the rate falls to a tenth for the last 20 of 800 epochs; that of the upper body, trained for
500, never does."""
