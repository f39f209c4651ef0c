"""Configuration of RAG-Gesture: every size and switch, with the presets `tiny`, `demo` and `paper`. Imports nothing
heavy.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NegativeInt,
    PositiveFloat,
    PositiveInt,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from gesturebench.common.budget import Training
from gesturebench.common.codecs.config import CodecConfig, PartVAEConfig
from gesturebench.common.config import Config
from gesturebench.common.diffusion.mixture import ConditionMixture, MixtureConfig
from gesturebench.common.diffusion.respacing import PUBLISHED, checked_spacing, kept_timesteps
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.features.pretrained import Pretrained
from gesturebench.common.features.registry import FEATURES
from gesturebench.common.features.window_config import (
    BERT,
    FPS,
    WAV2VEC2,
    EmptyText,
    Granularity,
    Resampling,
    TextSource,
    WindowEncoding,
)
from gesturebench.common.llm.config import LLMConfig
from gesturebench.common.weights.chosen import WeightsFolder


class PartWeights(Config):
    """How much the latents of each part count in the denoiser's loss; all alike as published."""

    upper: float = Field(1.0, ge=0)
    hands: float = Field(1.0, ge=0)
    face: float = Field(1.0, ge=0)
    lower: float = Field(1.0, ge=0)


class DenoiserConfig(Config):
    """Sizes of the latent denoiser and what it learns from; the defaults are the published ones."""

    width: int = 512
    layers: int = 8
    heads: int = 16
    time_width: int = 2048
    feed_forward: int = 1024
    speakers: int = 25
    query_mask: Literal["none", "separators", "released"] = "separators"
    """Tokens whose cross-attention is pushed away. Published weights need `released` (tokens K, 2K, 3K: off by the
    separators).
    """
    drop: float = 0.1
    """Share of training rows whose conditions are dropped, all three together."""
    part_weights: PartWeights = PartWeights()
    window_stride: int | None = Field(None, ge=1)
    """Frames of the codec between the possible starts of training windows; None: whole chunks, so that a clip is
    encoded once. Released code takes 5, a third of its chunk: every clip is then encoded in three phases.
    """


def _known_feature(encoder: str) -> AfterValidator:
    """A feature of the clip store, or the pretrained encoder for this condition."""

    def known(name: str) -> str:
        if name != encoder and name not in FEATURES:
            raise unknown_name("feature", name, {*FEATURES, encoder})
        return name

    return AfterValidator(known)


class ConditionConfig(Config):
    """Speech features the denoiser reads, by their names (docs/features.md).

    Features of the clip store are means of neighbouring rows at `text_fps` and `audio_fps`. `bert` are word vectors at
    15 rows per second, `wav2vec2` the encoder's own rows, 499 in 10 s, both of each window alone unless `granularity`
    says `clip`.
    """

    text: Annotated[str, _known_feature("bert")] = "words"
    audio: Annotated[str, _known_feature("wav2vec2")] = "mel"
    text_fps: int = 15
    audio_fps: int = 15
    positions: bool = True
    """Add a sinusoid of the row's time. Contextual encoders (BERT, wav2vec2) carry positions themselves; hashed words
    and mel bands do not, and linear attention has no other way to know when something was said.
    """
    empty_text: EmptyText = "kept"
    bert: Pretrained = BERT
    wav2vec2: Pretrained = WAV2VEC2
    granularity: Granularity = "window"
    source: TextSource = "tokens"
    resampling: Resampling = "once"
    stored: Literal["float16", "float32"] = "float16"
    """Type of encoded windows on the disk."""

    @property
    def encoding(self) -> WindowEncoding | None:
        """The pretrained encoders that are read, None if there are none."""
        text = self.bert if self.text == "bert" else None
        audio = self.wav2vec2 if self.audio == "wav2vec2" else None
        if text is None and audio is None:
            return None
        return WindowEncoding(
            text=text,
            audio=audio,
            granularity=self.granularity,
            source=self.source,
            resampling=self.resampling,
            stored=self.stored,
        )

    @model_validator(mode="after")
    def _vectors_have_one_rate(self) -> Self:
        if self.text == "bert" and self.text_fps != FPS:
            raise ValueError(f"text_fps {FPS} with the feature bert, not {self.text_fps}")
        return self

    @model_serializer(mode="wrap")
    def _what_is_read(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """In JSON, of which a run's key is made, settings of encoders stand only where one is read."""
        values = handler(self)
        if info.mode == "json":
            unread = {"bert": self.text != "bert", "wav2vec2": self.audio != "wav2vec2"}
            unread |= dict.fromkeys(("granularity", "stored"), self.encoding is None)
            unread |= {"resampling": self.audio != "wav2vec2", "empty_text": self.empty_text == "kept"}
            unread["source"] = self.text != "bert" and self.empty_text == "kept"
            values = {name: value for name, value in values.items() if not unread.get(name)}
        return values


class PartScales(Config):
    """Factor J of each part (released as `per_joint_scale`): it multiplies the conditional and divides the
    unconditional prediction, so other values than one rescale a part's latents; they do not guide it more.
    """

    upper: PositiveFloat = 1.0
    hands: PositiveFloat = 1.0
    face: PositiveFloat = 1.0
    lower: PositiveFloat = 1.0


class SamplingConfig(Config):
    """DDIM over unevenly spaced steps and the two-branch classifier-free mix w cond J + (1 - w) uncond / J."""

    sections: Annotated[tuple[int, ...] | str, BeforeValidator(checked_spacing)] = PUBLISHED
    """Timesteps per equal section of the 1000, or `ddimN`, `fast27`, `leading`, `trailing`."""
    coarse_scale: float = 6.5
    """w = coarse_scale t / 1000 + 1 while t > 100."""
    late_weights: tuple[float, float] = (0.23932, 0.76068)
    """Weights of the conditional and the unconditional prediction at the last steps, t <= 100."""
    part_scales: PartScales = PartScales()


class RetrievalConfig(Config):
    """What is retrieved for a test window, from where, and by which score (docs/retrieval.md).

    `none`; `discourse`: the best training window per discourse relation; `gesture_type`: per labelled gesture (the
    annotation of the test clip: an upper bound); `llm`: per word that a language model, or rules, read off the text;
    `text`: the window with the most similar words, whole; `random`: at the same places a random training window
    (control); `positions`: at the places of the true gestures (oracle) a random gestured window of the same speaker, so
    true timing without content (control).
    """

    principal = "strategy"

    strategy: Literal["none", "discourse", "gesture_type", "llm", "text", "random", "positions"] = "none"
    places: Literal["discourse", "gesture_type", "llm"] = "discourse"
    """Whose places `random` fills."""
    window_stride: PositiveInt = 75
    """Frames between the starts of database windows."""
    keep: PositiveInt = 10
    """Length of a ranked list."""
    pad_before_s: float = 0.666
    pad_after_s: float = 0.333
    connectives: Literal["casefold", "exact"] = "casefold"
    """Whether "But" is the connective "but"; `exact` as released."""
    keywords: Literal["casefold", "exact"] = "casefold"
    """The same for the keywords of labelled gestures; `exact`, as released, also finds two empty keywords equal."""
    prominence_words: Literal["casefold", "exact"] = "casefold"
    """The same where words are looked up in the prominence annotation; the released `exact` never finds a word with a
    capital, since the language model's words are in small letters."""
    word_bonus: Literal["increasing", "released"] = "increasing"
    """For a keyword of spelling similarity s in [0, 1]: 3 s, or the released 3 / (1 + 2 s), which prefers words that
    are not alike."""
    best_label: Literal["word", "released"] = "word"
    """Which gesture of a window an `llm` word takes: the one with its keyword, or, as released, the one nearest in
    prominence even then."""
    own: Literal["clip", "window"] = "clip"
    """What is never retrieved: all windows of the query's clip, or, as released, the query window alone."""
    llm: LLMConfig = LLMConfig()

    @model_serializer(mode="wrap")
    def _what_is_read(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """In JSON, of which a run's key is made, the language model stands only where one is asked."""
        values = handler(self)
        if info.mode == "json" and "llm" not in (self.strategy, self.places if self.strategy == "random" else ""):
            del values["llm"]
        return values


RELEASED_SCORING: dict[str, Any] = {
    "connectives": "exact",
    "keywords": "exact",
    "prominence_words": "exact",
    "word_bonus": "released",
    "best_label": "released",
    "own": "window",
    "llm": {"reading": "released", "walk": "released"},
}
"""Settings of `RetrievalConfig` that rank as the published code does."""


Schedule = Literal[
    "all_one", "all_zero", "all_10", "decreasing", "increasing", "drop_decreasing_till_25", "step_increasing_from_25",
    "decreasing_till_25", "increasing_from_25",
]  # fmt: skip
"""How often each diffusion step is steered: the names of `common/diffusion/guidance.py`."""


class GuidanceConfig(Config):
    """How retrieved gestures enter a sample (docs/rag-gesture.md); without retrieval nothing here acts.

    `none`: latent initialisation alone, the start noise at retrieved slots is the inverted latent. `paper`: after that,
    each step contracts these slots towards the inverted latents, `schedule` times by 1 - 2 lr. `released`: after that,
    each step but the first overwrites them with the inverted latents of the level above, noised once more; this is what
    the published code does, whatever the schedule. `inpainting`: nothing is inverted, each step overwrites them with
    the retrieved latents noised to its level.
    """

    principal = "mode"

    mode: Literal["none", "paper", "released", "inpainting"] = "none"
    inversion_start: NegativeInt = -1
    """Which inverted latent the sample starts from: -1 the last, pure noise, to -S, the first."""
    schedule: Schedule = "decreasing_till_25"
    lr: float = Field(0.1, ge=0, lt=1)
    target_level: Literal["matched", "released"] = "matched"
    """In mode `paper`: `matched` steers towards the inverted latent of the same noise level, `released` towards the one
    above."""

    @field_validator("inversion_start")
    @classmethod
    def _only_where_something_is_inverted(cls, start: int, info: ValidationInfo) -> int:
        if start != -1 and info.data.get("mode") == "inpainting":
            raise ValueError("-1 in mode inpainting, which inverts nothing and starts from noise")
        return start


class ComputeConfig(Config):
    """How the denoiser is evaluated when it samples (docs/latency.md has what pays where)."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Of matrix products with weights; norms, softmaxes, masks, sums and the sampler's state stay float32."""
    compile: bool = False
    """Let `torch.compile` fuse a step: half a minute once per process and batch size."""


class RagGestureConfig(Config):
    """All of RAG-Gesture."""

    codec: CodecConfig
    denoiser: DenoiserConfig
    conditions: ConditionConfig
    training: Training
    sampling: SamplingConfig = SamplingConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    guidance: GuidanceConfig = GuidanceConfig()
    compute: ComputeConfig = ComputeConfig()
    mixture: MixtureConfig | None = None
    """Weights of four branches, with and without speech and what was retrieved (docs/condition-mixture.md), in place of
    the two-branch mix of `sampling`."""
    overlap: int = 15
    """Frames shared by neighbouring windows of a long speech: whole chunks, and less than a window."""
    seams: Literal["anchored", "released"] = "anchored"
    """Translation across windows: `anchored` walks on from where the window before stood, `released` fades back to
    where every window begins, x = z = 0."""
    weights: WeightsFolder = None
    """Folder of imported weights (docs/weights.md): they take the place of training, and their sizes that of the
    preset's. A run is known by their hash, wherever the folder lies."""

    @field_validator("overlap")
    @classmethod
    def _whole_chunks_of_a_window(cls, overlap: int, info: ValidationInfo) -> int:
        codec = info.data.get("codec")
        if codec and not (0 < overlap < codec.frames and overlap % codec.vae.chunk == 0):
            raise ValueError(f"a multiple of {codec.vae.chunk} between 0 and {codec.frames} frames, both excluded")
        return overlap

    @field_validator("guidance")
    @classmethod
    def _starts_from_a_level_there_is(cls, guidance: GuidanceConfig, info: ValidationInfo) -> GuidanceConfig:
        sampling = info.data.get("sampling")
        steps = len(kept_timesteps(sampling.sections)) if sampling else -guidance.inversion_start
        if guidance.inversion_start < -steps:
            raise InputError(
                f"guidance.inversion_start = {guidance.inversion_start}",
                expected=f"-1 to {-steps}: an inversion has one latent for each of the {steps} sampling steps",
            )
        return guidance

    @model_validator(mode="after")
    def _mixes_what_there_is(self) -> Self:
        if self.mixture is None:
            return self
        retrieves, guided = self.retrieval.strategy != "none", self.guidance.mode != "none"
        if retrieves and not guided and "retrieval" in self.mixture.needs():
            raise InputError(
                f"mixture.policy = {self.mixture.policy!r} with guidance.mode = 'none'",
                expected="a mode that guides every step: in this one, what was retrieved changes the start noise alone",
                remedy="set guidance.mode=paper, or mixture.policy=cfg_text",
            )
        told = ("text", "retrieval") if retrieves and guided else ("text",)
        ConditionMixture(self.mixture, kept_timesteps(self.sampling.sections), told)
        return self

    @model_serializer(mode="wrap")
    def _keyed(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """In JSON, of which a run's key is made, so that runs without one keep theirs."""
        values = handler(self)
        if info.mode == "json" and self.mixture is None:
            values.pop("mixture", None)
        return values


def _codec(width: int, steps: int, batch: int, frames: int) -> CodecConfig:
    """Chunks of five frames: one small latent per second would lose what wrists do."""
    vae = PartVAEConfig(
        width=width,
        layers=1,
        heads=4,
        feed_forward=2 * width,
        dropout=0.0,
        chunk=5,
        decoder_depth="as_encoder",
        pre_norm=True,
        memory_span=1,
    )
    return CodecConfig(
        vae=vae,
        frames=frames,
        posterior="mean",
        standardise=True,
        velocity=0.5,
        acceleration=0.1,
        training=Training(steps=steps, batch=batch, lr=3e-3),
    )


def _small_denoiser(width: int, layers: int) -> DenoiserConfig:
    return DenoiserConfig(width=width, layers=layers, heads=4, time_width=2 * width, feed_forward=2 * width)


_PAPER_VAE = Training(
    steps=200_000, batch=64, optimizer="adamw", lr=1e-4, betas=(0.9, 0.95), weight_decay=0.01, final_lr=1.0,
    save_every=1000,
)  # fmt: skip
"""The optimiser of the same author's later trainer; for how long and on what batches VAEs were trained is not known."""

_PAPER_DENOISER = Training(
    steps=256_000, decay_steps=2_000_000, batch=128, lr=1e-4, final_lr=1e-6, clip_norm=None, save_every=1000
)
"""As published: a cosine over 500 epochs, weights taken after 64 of them, at 96 % of the rate. An epoch is taken for
4 000 steps: the windows at stride 5 of BEAT2's 56 hours of training and additional clips, in batches of 128."""

PRESETS: dict[str, RagGestureConfig] = {
    "tiny": RagGestureConfig(
        codec=_codec(width=48, steps=60, batch=8, frames=60),
        denoiser=_small_denoiser(width=48, layers=1),
        conditions=ConditionConfig(),
        training=Training(steps=40, batch=8, lr=2e-3, save_every=10),
        sampling=SamplingConfig(sections=(3, 3, 2, 1, 1)),
    ),
    "demo": RagGestureConfig(
        codec=_codec(width=64, steps=250, batch=8, frames=150),
        denoiser=_small_denoiser(width=64, layers=2),
        conditions=ConditionConfig(),
        training=Training(steps=600, batch=16, lr=2e-3),
    ),
    "paper": RagGestureConfig(
        codec=CodecConfig(lower_heads=8, training=_PAPER_VAE),
        denoiser=DenoiserConfig(window_stride=5),
        conditions=ConditionConfig(text="bert", audio="wav2vec2", positions=False, empty_text="skipped"),
        training=_PAPER_DENOISER,
    ),
}
