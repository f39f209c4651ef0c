"""Configuration of ReMoDiffuse on speech: every size and switch, with the presets `tiny`, `demo` and `paper`. Imports
nothing heavy.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from gesturebench.common.budget import Training
from gesturebench.common.config import Config
from gesturebench.common.diffusion.mixture import ConditionMixture, MixtureConfig
from gesturebench.common.diffusion.respacing import PUBLISHED, checked_spacing, kept_timesteps
from gesturebench.common.embedding.config import preset as embedding
from gesturebench.common.errors import InputError
from gesturebench.common.features.pretrained import Pretrained
from gesturebench.common.features.sentence_config import SentenceConfig
from gesturebench.common.features.window_config import BERT, WAV2VEC2
from gesturebench.methods.remodiffuse.denoiser_config import DenoiserConfig, RetrievalEncoderConfig
from gesturebench.methods.remodiffuse.retrieval_config import RetrievalConfig
from gesturebench.methods.remodiffuse.searching_config import SearchConfig


class MotionConfig(Config):
    """The motion domain: windows of `frames` frames at 15 fps, 337 features each, 437 with `expressions`; training
    windows begin at multiples of `stride` frames. Every `patch` frames are one token of the network; 1 as published. A
    small network that is trained for minutes cannot make neighbouring frames agree, but within a patch they do.

    `positions` is how the learned tables of positions begin: `normal`, as published, gives neighbouring frames nothing
    in common, and what is left of that trembles in samples of a network that was trained for minutes; of `sinusoid`s
    they are neighbours from the first step.
    """

    frames: int = Field(150, ge=8)
    stride: int = Field(1, ge=1)
    patch: int = Field(1, ge=1)
    expressions: bool = False
    positions: Literal["sinusoid", "normal"] = "sinusoid"

    @model_validator(mode="after")
    def _whole_patches(self) -> Self:
        if self.frames % self.patch:
            raise ValueError(f"frames ({self.frames}) that are whole patches of {self.patch}")
        return self


class ConditionConfig(Config):
    """How speech becomes the prompt. One bit gates all of it, so that the branch `none` knows nothing of the speech.

    `text` encodes the words of a window as tokens. `audio` is a feature of the clip store or the pretrained encoder.
    `audio_injection`: `tokens`, means over `1 / token_fps` seconds appended to those of the text; `frames`, added to
    the embedded motion frame by frame, because linear attention sums over all tokens and cannot tell which one belongs
    to which frame; `both`, or `none`.
    """

    text: SentenceConfig = SentenceConfig()
    times: bool = True
    """Add a sinusoid of the time at which a word is said to its vector. Encoders that read a sentence know its order;
    hashed words do not, and are the only ones this acts on."""
    audio: Literal["mel", "prosody", "wav2vec2"] = "mel"
    audio_injection: Literal["none", "tokens", "frames", "both"] = "both"
    token_fps: Literal[3, 5] = 5
    wav2vec2: Pretrained = WAV2VEC2
    speaker: Literal["always", "none"] = "always"
    """A learned vector added to the diffusion time's: told in every branch, or never."""
    speakers: int = Field(25, ge=1)

    @property
    def has_tokens(self) -> bool:
        return self.audio_injection in ("tokens", "both")

    @property
    def has_frames(self) -> bool:
        return self.audio_injection in ("frames", "both")

    @model_serializer(mode="wrap")
    def _what_is_read(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """In JSON, of which a run's key is made, the speech encoder stands only where it is heard."""
        values = handler(self)
        if info.mode == "json" and self.audio != "wav2vec2":
            values.pop("wav2vec2", None)
        return values


class DroppingConfig(Config):
    """Of every training row, independently of each other: the share without the prompt, and without what is
    retrieved."""

    speech: float = Field(0.1, ge=0, le=1)
    retrieval: float = Field(0.1, ge=0, le=1)


class SamplingConfig(Config):
    """DDIM without noise over unevenly spaced steps, and how the windows of a long speech meet.

    Neighbouring windows share `overlap` frames, across which the later one fades in. `continuity` `carried`: at every
    step, these frames of the later window are overwritten by those of the earlier one, noised to the step's level;
    `faded`: windows know nothing of each other.
    """

    sections: Annotated[tuple[int, ...] | str, BeforeValidator(checked_spacing)] = PUBLISHED
    overlap: int = Field(15, ge=1)
    continuity: Literal["carried", "faded"] = "carried"


class RemodiffuseConfig(Config):
    """All of ReMoDiffuse.

    `use_retrieval` false is a model that never sees a retrieved sample, neither in training nor in sampling; the
    branches it has are `text` and `none`, and the mixture must be one for these.
    """

    motion: MotionConfig = MotionConfig()
    conditions: ConditionConfig = ConditionConfig()
    use_retrieval: bool = True
    retrieval: RetrievalConfig = RetrievalConfig()
    denoiser: DenoiserConfig = DenoiserConfig()
    dropping: DroppingConfig = DroppingConfig()
    training: Training = Training()
    sampling: SamplingConfig = SamplingConfig()
    mixture: MixtureConfig = MixtureConfig()
    search: SearchConfig = SearchConfig()

    @model_validator(mode="after")
    def _windows_hold_their_seams(self) -> Self:
        if 2 * self.sampling.overlap > self.motion.frames:
            raise ValueError(
                f"sampling.overlap ({self.sampling.overlap}) of at most half of motion.frames ({self.motion.frames})"
            )
        return self

    @model_validator(mode="after")
    def _has_what_it_reads(self) -> Self:
        if self.retrieval.shown and not self.use_retrieval:
            raise ValueError("use_retrieval where retrieval.shown: there is nothing else to show")
        ConditionMixture(self.mixture, kept_timesteps(self.sampling.sections), self.told)
        if self.search.stages != "none" and self.mixture.policy != "paper":
            raise InputError(
                f"search.stages = {self.search.stages!r} with mixture.policy = {self.mixture.policy!r}",
                expected="the policy paper, whose weights are searched for",
                remedy="set mixture.policy=paper, or search.stages=none",
            )
        return self

    @model_serializer(mode="wrap")
    def _all_of_it(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """In JSON, sections leave out what is not read; what a preset changed of that is kept, or it would be lost."""
        values = handler(self)
        if info.mode == "json":
            for name in {"mixture", "search"} & values.keys():
                values[name] = getattr(self, name).model_dump(exclude_defaults=True) | values[name]
        return values

    @property
    def told(self) -> tuple[str, ...]:
        """The conditions that a branch can have."""
        return ("text", "retrieval") if self.use_retrieval else ("text",)


def _denoiser(width: int, layers: int) -> DenoiserConfig:
    return DenoiserConfig(
        width=width,
        heads=4,
        layers=layers,
        time_width=2 * width,
        feed_forward=2 * width,
        prompt_width=width // 2,
        prompt_layers=1,
        prompt_feed_forward=width,
        retrieval=RetrievalEncoderConfig(
            stride=1, motion_layers=1, caption_layers=1, motion_heads=4, caption_heads=4, feed_forward=width
        ),
    )


_WORDS = SentenceConfig(tokens=40)
"""Of ten seconds of speech few are longer."""

PRESETS: dict[str, RemodiffuseConfig] = {
    "tiny": RemodiffuseConfig(
        motion=MotionConfig(frames=60, patch=5),
        conditions=ConditionConfig(text=_WORDS),
        retrieval=RetrievalConfig(text=_WORDS),
        denoiser=_denoiser(32, 1),
        training=Training(steps=60, batch=8, lr=3e-3, save_every=20),
        sampling=SamplingConfig(sections=(3, 3, 2, 1, 1)),
        mixture=MixtureConfig(fine_steps=3),
        search=SearchConfig(
            clips=8,
            rounds=(4,),
            bound=1,
            references=32,
            fine_clips=8,
            steps=6,
            linear_steps=3,
            embedding=embedding("tiny"),
        ),
    ),
    "demo": RemodiffuseConfig(
        motion=MotionConfig(patch=5),
        conditions=ConditionConfig(text=_WORDS),
        retrieval=RetrievalConfig(text=_WORDS),
        denoiser=_denoiser(96, 2),
        training=Training(steps=250, batch=8, lr=3e-3),
        search=SearchConfig(fine_clips=128, steps=200, embedding=embedding("demo")),
    ),
    "paper": RemodiffuseConfig(
        motion=MotionConfig(stride=15, positions="normal"),
        conditions=ConditionConfig(text=SentenceConfig(encoder="bert", model=BERT), audio="wav2vec2"),
        retrieval=RetrievalConfig(text=SentenceConfig(encoder="bert", model=BERT)),
        training=Training(steps=200_000, batch=128, lr=2e-4, final_lr=2e-5, clip_norm=None, save_every=1000),
        search=SearchConfig(embedding=embedding("paper")),
    ),
}
