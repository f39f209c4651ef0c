"""Configuration of EMAGE's audio model: every size, switch and quirk, with the presets `tiny`, `demo` and `paper`.
Imports nothing heavy.
"""

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from gesturebench.common.budget import Training
from gesturebench.common.codecs.vq_config import PRIORS, PriorConfig
from gesturebench.common.config import Config
from gesturebench.common.weights.chosen import WeightsFolder

FPS = 30
LONGEST_WINDOW = 64
"""Frames: of a longer window the speech encoder makes fewer steps than there are frames."""

Route = Literal["latent", "index"]
"""`latent`: the predicted latent is snapped to the nearest code; `index`: the code of the largest logit."""

Task = Literal["seed", "hints", "motion"]
"""What the network learns from a training window. `seed`: everything from speech and the first frames; `hints`: the
same from speech and random elements of the motion; `motion`: the body from these elements alone, without speech."""

Joints = Literal["upper", "hands", "face", "lower", "full"]
"""Sets of joints by name (`common/motion/skeleton.py`)."""


class NetworkConfig(Config):
    """Sizes of the network; the defaults are the published ones."""

    hidden: PositiveInt = 768
    audio: int = Field(256, ge=4, multiple_of=4)
    """Channels of each of the two speech encoders."""
    motion: PositiveInt = 256
    """Channels of the encoder of masked motion."""
    heads: PositiveInt = 4
    feed_forward: PositiveInt = 1536
    dropout: float = Field(0.1, ge=0, lt=1)
    face_layers: PositiveInt = 4
    cross_layers: PositiveInt = 8
    speakers: PositiveInt = 1
    """Rows of the speaker tables: 25 for those of BEAT2, 1 for one voice that all share, as published."""
    window: int = Field(LONGEST_WINDOW, ge=2, le=LONGEST_WINDOW)
    """Frames of a window, and the period of the position table, which covers two of them."""
    seed_frames: PositiveInt = 4
    """How many frames of a window repeat the end of the window before."""
    initial: Literal["published", "centred"] = "published"
    """Weights before the first step. `centred`: motion enters centred and scaled by what training windows hold, what is
    hidden as its mean, and speakers at a tenth of their size; from the published start, in which constants drown what
    moves, short trainings learn hardly more than how often each code occurs."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"heads ({self.heads}) that divide hidden ({self.hidden})")
        if 2 * self.seed_frames > self.window:
            raise ValueError(f"seed_frames ({self.seed_frames}) of at most half a window ({self.window})")
        return self


class HintsConfig(Config):
    """Which motion the network is shown in training, so that it can be given some later."""

    tasks: tuple[Task, ...] = Field(("seed", "hints", "motion"), min_length=1)
    """What is learnt from each window, their losses added; `[seed]` alone is EMAGE without masked hints."""
    hidden: Literal["growing", "released"] = "growing"
    """Share of the elements that is hidden: from 5 % at the first step to all at the last. `released` grows with the
    number of the step as if it were a fraction: everything is hidden from the second step on, and the network hardly
    learns to use hints beyond the seed."""


class Routes(Config):
    """How each part is decoded; the defaults are those of the published weights."""

    upper: Route = "index"
    hands: Route = "index"
    face: Route = "latent"
    lower: Route = "index"


class GenerationConfig(Config):
    """How a speech becomes motion, window by window; no setting here changes what is learnt."""

    routes: Routes = Routes()
    start: Literal["training", "rest"] = "training"
    """Which frames the first window continues: `training`, four of a training clip of the speaker, drawn by seed and
    clip; `rest`, the rest pose at the origin, as released. What is given takes precedence."""
    audio_hop: Literal["exact", "released"] = "exact"
    """Where the speech of a window starts: `exact`, at its first frame, as in training; `released`, at 533 samples per
    frame, a third too few, so that the network hears 37 ms too early after a minute and 0.4 s after ten."""
    tail: Literal["whole", "released"] = "whole"
    """How a speech ends. `whole`: with as many frames as it has; `released`: where no more frames than a seed's follow
    the last whole window, they and the window's own last ones are left out."""
    seams: Literal["blended", "released"] = "blended"
    """`blended`: two windows share `overlap` frames, over which codes fade from those of the first to those of the
    second; `released`: they share those of the seed, which are the second's."""
    overlap: PositiveInt = 16
    """Frames that windows share where they blend. Near its ends a window is at its worst: its first frames repeat a
    seed that the next ones may not continue, its last ones hear nothing of what follows."""
    rotations: Literal["stable", "legacy"] = "stable"
    """How decoded 6D rotations become axis-angle and the next window's seed: `legacy` goes by quaternions, as released,
    which near a half turn is wrong by up to 5e-4 rad."""
    global_input: Literal["proper", "raw"] = "proper"
    """What the network of global motion is given: `proper`, orthonormal rotations, no translation and the decoded
    contacts; `raw`, the lower body as it was decoded, as the audio model was released."""


class EmageConfig(Config):
    """All of EMAGE, the audio model."""

    priors: PriorConfig
    network: NetworkConfig
    hints: HintsConfig = HintsConfig()
    training: Training
    generation: GenerationConfig = GenerationConfig()
    given: tuple[Joints, ...] = ()
    """Parts whose true motion a run is given beside the speech, as hints in every frame (the paper's Appendix G)."""
    weights: WeightsFolder = None
    """Folder of imported weights (docs/weights.md): they take the place of training, and their sizes that of the
    preset's."""

    @model_validator(mode="after")
    def _seeds_lie_where_windows_overlap(self) -> Self:
        least, most = self.network.seed_frames, self.network.window // 2
        if self.generation.seams == "blended" and not least <= self.generation.overlap <= most:
            raise ValueError(f"generation.overlap ({self.generation.overlap}) from {least} to {most}, half a window")
        return self


def _small(width: int) -> NetworkConfig:
    """Few channels for speech: its encoders have the most steps."""
    return NetworkConfig(
        hidden=width,
        audio=16,
        motion=width // 2,
        feed_forward=2 * width,
        dropout=0.0,
        face_layers=1,
        cross_layers=1,
        speakers=25,
        initial="centred",
    )


PRESETS: dict[str, EmageConfig] = {
    "tiny": EmageConfig(
        priors=PRIORS["tiny"],
        network=_small(width=32),
        training=Training(steps=30, batch=4, lr=3e-3, save_every=10),
    ),
    "demo": EmageConfig(
        priors=PRIORS["demo"],
        network=_small(width=64),
        hints=HintsConfig(tasks=("seed", "hints")),
        training=Training(steps=160, batch=4, lr=4e-3),
    ),
    "paper": EmageConfig(
        priors=PRIORS["paper"],
        network=NetworkConfig(speakers=25),
        training=Training(steps=100_000, batch=56, lr=1.5e-4, final_lr=1.0, clip_norm=0.99, save_every=1000),
    ),
}
"""`paper` is the published training of the audio model but for two things: it knows the speakers of BEAT2 apart, and
gradients are clipped where released code clips before there are any."""
