"""Configuration of ExGes: every size and switch, with the presets `tiny`, `demo` and `paper`. Imports nothing heavy."""

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from gesturebench.common.budget import Training
from gesturebench.common.config import Config
from gesturebench.common.cross_local.config import CrossLocalSizes
from gesturebench.common.cross_local.speech_config import SpeechConfig
from gesturebench.methods.exges.retrieval.config import RETRIEVAL_PRESETS, KeyframeMode, RetrievalConfig

FPS = 30


class ControlConfig(Config):
    """Which parts of a training window the network is given, so that it can be given poses later (Precision Control
    Module).

    `training` false is the plain backbone: it sees no mask, and keyframes are put into its samples by inpainting.

    Of all windows the `share` is given something: joints of frames by themselves, whole frames, or a few trajectories,
    in the proportion of `joints`, `frames` and `trajectory`; with `part_mask` `frames_only` always whole frames. How
    much is given falls from `first_rate` to `last_rate` along the `curriculum`; without one it is `last_rate`
    throughout. From `null_share` of the windows either their audio or what is given is taken away again.
    """

    principal = "training"
    training: bool = True
    part_mask: Literal["all", "frames_only"] = "all"
    share: float = Field(0.7, ge=0, le=1)
    joints: float = Field(0.4, ge=0)
    frames: float = Field(0.3, ge=0)
    trajectory: float = Field(0.3, ge=0)
    curriculum: Literal["exponential", "linear", "off"] = "exponential"
    first_rate: float = Field(0.9, gt=0, le=1)
    last_rate: float = Field(0.03, gt=0, le=1)
    null_share: float = Field(0.1, ge=0, le=1)
    observed_weight: float = Field(1.0, ge=0)
    """Of the given entries in the loss; 0: only what the network had to find out counts."""

    @model_validator(mode="after")
    def _some_kind(self) -> Self:
        if self.joints + self.frames + self.trajectory <= 0:
            raise ValueError("joints, frames and trajectory that are not all 0")
        return self


class KeyframesConfig(Config):
    """Poses that a run gives itself. At most `per_window` lie in a window, the most similar ones; none lies less than
    `clearance` frames from one that the user gives. `joints`: `body` without the root, whose place and heading mean
    nothing elsewhere, or `upper`, which leaves the legs alone too; never face or eyes, which belong to the speech.
    """

    principal = "source"
    source: KeyframeMode = "retrieved"
    per_window: PositiveInt = 3
    clearance: int = Field(15, ge=0)
    joints: Literal["body", "upper"] = "body"


class SamplingConfig(Config):
    """From noise to motion; no setting here changes what is learnt.

    `ddpm` takes all 1000 steps, as the paper must; `ddim` takes `steps`, evenly spaced and without noise between.
    `hard_impose` overwrites the prediction with what is given at `every` step, or in the `last` one alone, so that it
    holds exactly; `none` leaves it to the network. `w_audio` exaggerates what the speech changes: x0 = x0(no audio) +
    w (x0(audio) - x0(no audio)); 1 is without, and half the work.

    The first window continues the `start`: the speaker's `mean` pose, or frames of a `training` clip, drawn by seed and
    clip. Later ones continue the window before, `blend` as in `common/cross_local/stitching.py`.
    """

    principal = "sampler"
    sampler: Literal["ddpm", "ddim"] = "ddpm"
    steps: int = Field(50, ge=1, le=1000)
    hard_impose: Literal["none", "every", "last"] = "none"
    w_audio: float = Field(1.0, ge=0)
    start: Literal["mean", "training"] = "mean"
    blend: Literal["intended", "first_frame"] = "intended"
    smoothing: Literal["none", "released"] = "none"
    """`released`: the filter over 15 frames that DiffuseStyleGesture runs over its motion. It takes the tremble out of
    what a network samples that was trained for minutes; what is imposed is put back after it."""


class ExgesConfig(Config):
    """All of ExGes."""

    network: CrossLocalSizes = CrossLocalSizes()
    speech: SpeechConfig = SpeechConfig()
    """What the denoiser hears; `retrieval.base.audio` says what retrieval hears."""
    styles: PositiveInt = 25
    """Speakers that are told apart; 1: all share one style."""
    initial: Literal["published", "principal"] = "published"
    """Weights before the first step. `principal`: motion enters and leaves along the principal axes of training motion
    (`common/cross_local/initial.py`), which trainings of minutes would spend most of their steps on finding."""
    control: ControlConfig = ControlConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    training: Training = Training()
    keyframes: KeyframesConfig = KeyframesConfig()
    sampling: SamplingConfig = SamplingConfig()

    @property
    def has_retrieval(self) -> bool:
        """Whether a run looks for keyframes of its own."""
        return self.keyframes.source != "none"

    @model_validator(mode="after")
    def _audio_comes_before_control(self) -> Self:
        if self.network.attention != 3:
            raise ValueError("network.attention = 3, which hears the speech of every frame")
        return self

    @model_validator(mode="after")
    def _speech_may_be_missing(self) -> Self:
        has_branch = self.control.training and self.control.null_share > 0
        if self.sampling.w_audio != 1 and not has_branch:
            raise ValueError("sampling.w_audio = 1 where training never leaves the audio out")
        return self


PRESETS: dict[str, ExgesConfig] = {
    "tiny": ExgesConfig(
        network=CrossLocalSizes.small(32, 1, frames=60),
        initial="principal",
        retrieval=RETRIEVAL_PRESETS["tiny"],
        training=Training(steps=60, batch=8, optimizer="adamw", lr=3e-3, save_every=20),
        sampling=SamplingConfig(sampler="ddim", steps=5),
    ),
    "demo": ExgesConfig(
        network=CrossLocalSizes.small(128, 2, frames=90),
        initial="principal",
        retrieval=RETRIEVAL_PRESETS["demo"],
        training=Training(steps=1200, batch=8, optimizer="adamw", lr=2e-3),
        sampling=SamplingConfig(sampler="ddim", smoothing="released"),
    ),
    "paper": ExgesConfig(
        speech=SpeechConfig(audio="wavlm"),
        retrieval=RETRIEVAL_PRESETS["paper"],
        training=Training(
            steps=200_000,
            batch=256,
            optimizer="adamw",
            lr=3e-5,
            final_lr=1.0,
            clip_norm=None,
            precision="bfloat16",
            save_every=1000,
        ),
    ),
}
