"""Configuration of ExGes' retrieval: the motion base, the module that is trained on it, and the search. Imports nothing
heavy.
"""

from typing import Any, Literal, Self

from pydantic import Field, SerializationInfo, SerializerFunctionWrapHandler, model_serializer, model_validator

from gesturebench.common.budget import Training
from gesturebench.common.config import Config
from gesturebench.common.features.pretrained import Pretrained
from gesturebench.common.features.window_config import WAV2VEC2, WAVLM

Audio = Literal["mel", "wav2vec2", "wavlm"]
"""What is heard of a segment: the clip store's mel feature, or a frozen encoder's rows at 30 fps (wavlm as in the
reconstruction of the paper)."""
KeyframeMode = Literal["retrieved", "random", "middle_frame", "ground_truth", "none"]
"""Where the pose of a keyframe comes from. `retrieved`: the frame of the best entry that is most like the sound.
`random`: any frame of any entry that might have been found. `middle_frame`: the middle of the best entry.
`ground_truth`: what the speaker really did at the anchor, an upper bound. `none`: no keyframes."""


class WordsConfig(Config):
    """Who says where words begin and end: the aligned `words` of a speech, or `whisper`, a local checkpoint that
    listens to it."""

    source: Literal["textgrid", "whisper"] = "textgrid"
    whisper: Pretrained | None = None
    shortest_s: float = Field(0.02, ge=0)
    """Words shorter than this are slips of the alignment."""

    @model_validator(mode="after")
    def _whisper_is_named(self) -> Self:
        if self.source == "whisper" and self.whisper is None:
            raise ValueError("words.whisper names a checkpoint where words.source is whisper")
        return self


class SegmentConfig(Config):
    """A segment of speech is `shortest_s` to `longest_s` long and has `fewest` to `most` whole words. Silences of
    `break_s` always end one; ending at a pause of `pause_s` is rewarded. Segments of a single word may last `kept_s`
    in the base; entries have `min_frames` frames at least, `entry_words` words at least.
    """

    break_s: float = Field(0.5, gt=0)
    pause_s: float = Field(0.15, ge=0)
    shortest_s: float = Field(1.0, gt=0)
    longest_s: float = Field(2.0, gt=0)
    fewest: int = Field(4, ge=1)
    most: int = Field(8, ge=1)
    kept_s: float = Field(3.0, gt=0)
    entry_words: int = Field(2, ge=1)
    min_frames: int = Field(20, ge=2)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.shortest_s < self.longest_s <= self.kept_s:
            raise ValueError("shortest_s < longest_s <= kept_s")
        if self.fewest > self.most:
            raise ValueError(f"fewest ({self.fewest}) not above most ({self.most})")
        return self

    @property
    def max_frames(self) -> int:
        """No entry at 30 fps is longer."""
        return round(self.kept_s * 30) + 1


class BaseConfig(Config):
    """What a motion base holds. `face` lets the joints of jaw and eyes take part in the comparison."""

    words: WordsConfig = WordsConfig()
    segments: SegmentConfig = SegmentConfig()
    audio: Audio = "mel"
    wav2vec2: Pretrained = WAV2VEC2
    wavlm: Pretrained = WAVLM
    face: bool = False

    @model_serializer(mode="wrap")
    def _what_is_read(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """In JSON, of which a run's key is made, an encoder stands only where it is heard."""
        values = handler(self)
        if info.mode == "json":
            for name in {"wav2vec2", "wavlm"} - {self.audio}:
                values.pop(name, None)
        return values

    @property
    def encoder(self) -> Pretrained | None:
        """The pretrained encoder that is read, if any."""
        return {"wav2vec2": self.wav2vec2, "wavlm": self.wavlm}.get(self.audio)


class NetworkConfig(Config):
    """Two transformers into a space of `joint` dimensions, and `fusion_layers` that judge pairs. They read every
    `step`-th frame."""

    width: int = Field(256, ge=2, multiple_of=2)
    layers: int = Field(4, ge=1)
    heads: int = Field(4, ge=1)
    hidden: int = Field(1024, ge=1)
    joint: int = Field(256, ge=2)
    fusion_layers: int = Field(2, ge=1)
    step: int = Field(1, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    pooling: Literal["max", "mean"] = "max"
    """Of the frames of a segment into its vector; the paper takes the maximum, so that the most expressive moment
    speaks for all."""

    @model_validator(mode="after")
    def _whole_heads(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"a width ({self.width}) that is a multiple of heads ({self.heads})")
        return self


class ContrastConfig(Config):
    """How pairs are told apart.

    `loss` `albef`: [(1 - alpha) CE + alpha KD] + matching, alpha rising from 0 during the first epoch; `literal`, as
    the paper's Eq. 7 reads: alpha KD + (1 - alpha) matching with a constant alpha. alpha 0 is without distillation.
    `queue` momentum features of each modality wait beside the batch; it is a multiple of the batch. `negatives` of the
    matching head: `hard`, drawn with a probability that grows with similarity, or `random`. Segments of one recording
    less than `apart_s` from each other are no negatives of each other.
    """

    loss: Literal["albef", "literal"] = "albef"
    alpha: float = Field(0.4, ge=0, le=1)
    queue: int = Field(1024, ge=1)
    momentum: float = Field(0.995, ge=0, le=1)
    temperature: float = Field(0.07, gt=0)
    negatives: Literal["hard", "random"] = "hard"
    apart_s: float = Field(1.0, ge=0)
    kept: Literal["best", "last"] = "best"
    """Which weights are the result: of the validation with the best R@10, or the last ones."""
    validate_epochs: float = Field(1.0, gt=0)


class SearchConfig(Config):
    """How the trained module is asked.

    The `candidates` most similar entries come first by similarity, or by the probability that they match (`rerank`
    `itm`, beyond the paper). `anchor` says where in the asking segment the keyframe goes: at the place it has in the
    entry, or where the sound is most like the entry. With `gate`, a segment whose best similarity is below the 5th
    percentile of matched validation pairs gets no keyframe. `same_speaker`: only entries of the same speaker are found.
    `index` `flat` compares with every entry in one matrix product, `faiss` through that library; they find the same.
    """

    candidates: int = Field(16, ge=1)
    rerank: Literal["none", "itm"] = "none"
    frame: Literal["similarity", "contribution"] = "similarity"
    """Which frame of the best entry. `similarity`, as published: the one most like the sound. `contribution`: the one
    to which the entry owes most of its similarity, each dimension counted for the frame that has its maximum."""
    anchor: Literal["relative", "audio_peak"] = "relative"
    gate: bool = True
    same_speaker: bool = True
    index: Literal["flat", "faiss"] = "flat"


PAPER_TRAINING = Training(
    steps=1500,
    batch=128,
    optimizer="adamw",
    lr=1e-4,
    final_lr=0.1,
    weight_decay=0.02,
    warmup=1000,
    save_every=500,
)
"""About 50 epochs of one speaker's 3800 segments."""


class RetrievalConfig(Config):
    """All of the retrieval. The queue of 1024 is for one speaker; for all of BEAT2 take 4096."""

    base: BaseConfig = BaseConfig()
    network: NetworkConfig = NetworkConfig()
    contrast: ContrastConfig = ContrastConfig()
    training: Training = PAPER_TRAINING
    search: SearchConfig = SearchConfig()

    @model_validator(mode="after")
    def _queue_of_whole_batches(self) -> Self:
        if self.contrast.queue % self.training.batch:
            raise ValueError(f"contrast.queue ({self.contrast.queue}) that is a multiple of the batch")
        return self


_SMALL = NetworkConfig(width=64, layers=1, heads=4, hidden=128, joint=64, fusion_layers=1, step=2, dropout=0.0)
RETRIEVAL_PRESETS = {
    "tiny": RetrievalConfig(
        network=_SMALL,
        contrast=ContrastConfig(queue=64, kept="last"),
        training=Training(steps=30, batch=16, optimizer="adamw", lr=1e-3, final_lr=0.1, weight_decay=0.02),
    ),
    "demo": RetrievalConfig(
        network=_SMALL,
        contrast=ContrastConfig(queue=256),
        training=Training(steps=220, batch=32, optimizer="adamw", lr=1e-3, final_lr=0.1, weight_decay=0.02),
    ),
    "paper": RetrievalConfig(base=BaseConfig(audio="wavlm")),
}
