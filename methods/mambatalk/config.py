"""Configuration of MambaTalk: every size, switch and quirk, with the presets `tiny`, `demo` and `paper`. Imports
nothing heavy.
"""

from typing import Any, Literal, Self

from pydantic import (
    Field,
    PositiveInt,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from gesturebench.common.budget import Training
from gesturebench.common.codecs.vq_config import PRIORS, PriorConfig
from gesturebench.common.config import Config
from gesturebench.common.features.pretrained import Pretrained
from gesturebench.common.features.window_config import WAV2VEC2, Resampling
from gesturebench.common.weights.chosen import WeightsFolder

Scanned = Literal["mamba", "none"]
"""Whether features go through their scans, or on as they are."""


class NetworkConfig(Config):
    """Sizes of the network and its parts; the defaults are the published ones.

    How a part is left out is our own reading of the paper's ablation, its code has no switch for it.
    """

    hidden: PositiveInt = 768
    audio: int = Field(512, ge=4, multiple_of=4)
    """Channels of the two speech encoders and of the words beside them."""
    motion: PositiveInt = 256
    """Channels of the encoder of visible motion."""
    heads: PositiveInt = 4
    scan_heads: PositiveInt = 8
    """Heads of the attention in front of each scan of the body."""
    cross_layers: PositiveInt = 8
    face_layers: PositiveInt = 4
    """Mamba blocks of the face; every other scan has one."""
    dropout: float = Field(0.1, ge=0, lt=1)
    speakers: PositiveInt = 25
    window: PositiveInt = 64
    """Frames of a window, and the period of the position table."""
    seed_frames: PositiveInt = 4
    """How many frames of a window repeat the end of the window before."""
    target: Literal["codes", "motion"] = "codes"
    """`codes` of the part codecs, or (without VQ-VAEs) the `motion` features of every part themselves."""
    local_scan: Scanned = "mamba"
    """`none`: the mixed parts go from their projections to the heads."""
    global_scan: Scanned = "mamba"
    """`none`: speech and visible motion are projected as they are."""

    @model_validator(mode="after")
    def _heads_of_equal_width(self) -> Self:
        for name in ("heads", "scan_heads"):
            if self.hidden % getattr(self, name):
                raise ValueError(f"{name} ({getattr(self, name)}) that divide hidden ({self.hidden})")
        if 2 * self.seed_frames > self.window:
            raise ValueError(f"seed_frames ({self.seed_frames}) of at most half a window ({self.window})")
        return self


class SpeechConfig(Config):
    """What the network is told of a speech, beside its loudness, its wave and its speaker."""

    words: Literal["vocabulary", "hashed"] = "vocabulary"
    """Rows of the table of words: those of the corpus' own vocabulary, whose vectors they start from, as published; or
    (where the corpus has none) a hash of the word."""
    word_rows: int = Field(11_195, gt=4)
    word_width: PositiveInt = 300
    tokens: Literal["recogniser", "phones", "zeros"] = "recogniser"
    """The channel of letters: what the `recogniser` hears, as published; a stand-in where there is none: the aligned
    `phones`, or `zeros`."""
    recogniser: Pretrained = WAV2VEC2
    resampling: Resampling = "once"
    """`legacy_22050` is the detour of the published audio over 22 050 Hz."""

    @model_serializer(mode="wrap")
    def _what_is_read(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """In JSON, of which a run's key is made, the recogniser stands only where it is asked."""
        values = handler(self)
        if info.mode == "json" and self.tokens != "recogniser":
            del values["recogniser"]
        return values


class CodeWeights(Config):
    """Weights of the code losses in the task of generation."""

    upper: float = Field(1.0, ge=0)
    hands: float = Field(1.0, ge=0)
    face: float = Field(0.0, ge=0)
    lower: float = Field(1.0, ge=0)


class LossConfig(Config):
    """A step asks three times: for motion after four frames, and twice for motion of which random numbers are
    hidden."""

    latent: float = Field(3.0, ge=0)
    """Weight of the squared errors of latents (without VQ-VAEs: of motion features)."""
    codes: CodeWeights = CodeWeights()
    """In the masked tasks every part counts once."""
    masked: Literal["twice", "doubled"] = "twice"
    """The two masked tasks differ in nothing but dropout: `twice`, as published, or once with `doubled` weight, a third
    less work."""


class GenerationConfig(Config):
    """How a speech becomes motion, window by window; no setting here changes what is learnt.

    `start`: which frames the first window continues: `training`, four of a training clip of the speaker, drawn by seed
    and clip; `rest`, the rest pose; `reference`, the true first four of the test clip, as the published evaluation has
    it, which makes an oracle of the row.
    """

    start: Literal["training", "rest", "reference"] = "training"
    audio_hop: Literal["exact", "released"] = "exact"
    """Where the speech of a window starts: `exact`, at its first frame, as in training; `released`, at 533 samples per
    frame, a third too few, so that the network hears 36 ms too early after a minute and 0.4 s after ten."""
    tail: Literal["whole", "released"] = "whole"
    """`whole`: as many frames as the speech has, the last window hears silence behind it; `released`: frames behind the
    last whole window, up to 2.2 s, are not generated (the motion stands still there), and below 64 frames none are."""
    seams: Literal["blended", "released"] = "blended"
    """`blended`: two windows share `overlap` frames, over which codes fade from those of the first to those of the
    second; `released`: they share those of the seed, which are the first's, and codes change at once where they end."""
    overlap: PositiveInt = 8
    """Frames that windows share where they blend; the second is given the first of them. Near its ends a window is at
    its worst: its first frames repeat a seed that the next ones may not continue."""
    rotations: Literal["stable", "legacy"] = "stable"
    """How decoded 6D rotations become axis-angle and the next window's seed: `legacy` goes by quaternions, as released,
    which near a half turn is wrong by up to 5e-4 rad."""
    together: PositiveInt = 8
    """Windows whose speech is heard at once."""


class MambaTalkConfig(Config):
    """All of MambaTalk."""

    priors: PriorConfig
    network: NetworkConfig
    speech: SpeechConfig
    losses: LossConfig = LossConfig()
    training: Training
    generation: GenerationConfig = GenerationConfig()
    weights: WeightsFolder = None
    """Folder of imported weights (docs/weights.md): they take the place of training, and their sizes that of the
    preset's."""

    @model_validator(mode="after")
    def _seeds_lie_where_windows_overlap(self) -> Self:
        least, most = self.network.seed_frames, self.network.window // 2
        if self.generation.seams == "blended" and not least <= self.generation.overlap <= most:
            raise ValueError(f"generation.overlap ({self.generation.overlap}) from {least} to {most}, half a window")
        return self

    @model_validator(mode="after")
    def _latents_are_predicted_like_scores(self) -> Self:
        codec = self.priors.codec
        if self.network.target == "codes" and codec.codes != codec.width:
            raise ValueError(
                f"priors with as many codes ({codec.codes}) as channels ({codec.width}): one head predicts both"
            )
        return self


_STANDIN = SpeechConfig(words="hashed", word_rows=512, word_width=32, tokens="phones")
"""Where there is neither a vocabulary nor a recogniser."""

_STEPS_OF_AN_EPOCH = 118
"""Windows of the training clips of BEAT2's speaker 2 at stride 20, in batches of 64."""

PRESETS: dict[str, MambaTalkConfig] = {
    "tiny": MambaTalkConfig(
        priors=PRIORS["tiny"],
        network=NetworkConfig(
            hidden=32, audio=16, motion=16, scan_heads=4, cross_layers=1, face_layers=1, dropout=0.0, window=32
        ),
        speech=_STANDIN,
        losses=LossConfig(masked="doubled"),
        training=Training(steps=30, batch=4, lr=5e-3, save_every=10),
    ),
    "demo": MambaTalkConfig(
        priors=PRIORS["demo"],
        network=NetworkConfig(
            hidden=64, audio=16, motion=32, cross_layers=1, face_layers=1, dropout=0.0, window=32
        ),
        speech=_STANDIN,
        losses=LossConfig(masked="doubled"),
        training=Training(steps=100, batch=6, lr=3e-3),
    ),
    "paper": MambaTalkConfig(
        priors=PRIORS["paper"],
        network=NetworkConfig(),
        speech=SpeechConfig(),
        training=Training(
            steps=200 * _STEPS_OF_AN_EPOCH, batch=64, lr=2.5e-4, final_lr=1.0, betas=(0.5, 0.999), clip_norm=0.99,
            save_every=1000,
        ),
    ),
}  # fmt: skip
