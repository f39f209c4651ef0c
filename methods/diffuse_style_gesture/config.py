"""Configuration of DiffuseStyleGesture: every size, switch and quirk, with the presets `tiny`, `demo` and `paper`.
Imports nothing heavy.
"""

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from gesturebench.common.budget import Training
from gesturebench.common.config import Config
from gesturebench.common.cross_local.config import CrossLocalSizes
from gesturebench.common.cross_local.speech_config import SpeechConfig


class SamplingConfig(Config):
    """From noise to motion; no setting here changes what is learnt."""

    principal = "sampler"
    sampler: Literal["ddpm", "ddim"] = "ddpm"
    """`ddpm`: all 1000 steps, as published; `ddim`: `steps` of them, evenly spread, without noise between."""
    steps: int = Field(50, ge=1, le=1000)
    start: Literal["mean", "training"] = "mean"
    """What the first window continues: `mean`, the speaker's mean pose, in silence (released: zeros, the mean of all
    speakers); `training`, frames of a training clip of the speaker and what was said in them, drawn by seed and
    clip."""
    blend: Literal["intended", "first_frame"] = "intended"
    """Frames that two windows share: `intended`, the second fades in; `first_frame`, only the first of them is mixed,
    as released."""
    impose: Literal["every", "last"] = "every"
    """What a run is given replaces the predicted motion at every step (inpainting), or in the last one alone, so that
    the motion around it knows nothing of it."""
    smoothing: Literal["none", "released"] = "none"
    """`released`: a Savitzky-Golay filter over 15 frames. It takes the tremble out of what a network samples that was
    trained for minutes; what a run is given is put back after it."""


class DiffuseStyleGestureConfig(Config):
    """All of DiffuseStyleGesture."""

    network: CrossLocalSizes = CrossLocalSizes()
    styles: PositiveInt = 25
    """Speakers that are told apart; 1: all share one style."""
    differences: Literal["none", "two"] = "none"
    """`two`: what poses changed since the frame before, and what that changed, are denoised beside them
    (DiffuseStyleGesture+)."""
    speech: SpeechConfig = SpeechConfig()
    initial: Literal["published", "principal"] = "published"
    """Weights before the first step. `principal`: motion enters and leaves along the principal axes of training motion
    (`common/cross_local/initial.py`), which trainings of minutes would spend most of their steps on finding."""
    training: Training = Training()
    sampling: SamplingConfig = SamplingConfig()

    @model_validator(mode="after")
    def _seeds_are_known(self) -> Self:
        if self.network.attention == 5:
            raise ValueError("network.attention 3 or 4: a window's last poses, which 5 is told, are not known before")
        return self


PRESETS: dict[str, DiffuseStyleGestureConfig] = {
    "tiny": DiffuseStyleGestureConfig(
        network=CrossLocalSizes.small(32, 1, frames=60),
        initial="principal",
        training=Training(steps=60, batch=8, optimizer="adamw", lr=3e-3, save_every=20),
        sampling=SamplingConfig(sampler="ddim", steps=5),
    ),
    "demo": DiffuseStyleGestureConfig(
        network=CrossLocalSizes.small(128, 2, frames=90),
        initial="principal",
        training=Training(steps=1200, batch=8, optimizer="adamw", lr=2e-3),
        sampling=SamplingConfig(sampler="ddim", smoothing="released"),
    ),
    "paper": DiffuseStyleGestureConfig(
        speech=SpeechConfig(audio="wavlm"),
        training=Training(
            steps=200_000, batch=256, optimizer="adamw", lr=3e-5, final_lr=1.0, clip_norm=None, save_every=1000
        ),
    ),
}
"""`paper` is the network as published for BEAT with the conditioning of the paper, on BEAT2's bodies; published weights
are of other skeletons."""
