"""What a contrastive evaluator of speech and motion is, and the step that trains it. Imports nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from gesturebench.common.budget import Training
from gesturebench.common.config import Config
from gesturebench.common.features.pretrained import Pretrained, absence, stated_identity
from gesturebench.common.features.window_config import BERT, WAV2VEC2, WindowEncoding

NAME = "contrastive_evaluator"
FIT = "gesturebench.common.embedding.fitting:fit_embedding"
VERSION = 1
"""Raised when the code changes what is learnt."""

Text = Literal["words", "bert"]
"""`words`: hashed vectors of the aligned words, no model is read. `bert`: what a language model makes of each word when
it reads the unit alone."""
Audio = Literal["none", "mel", "wav2vec2"]
"""Rows of the clip's mel feature, or hidden states of a pretrained encoder, as means over 0.2 s."""
Loss = Literal["margin", "infonce"]
"""`margin`: Guo et al. 2022, on unbounded embeddings. `infonce`: symmetric cross-entropy of cosines over a batch, on a
sphere of radius `margin`."""


class UnitConfig(Config):
    """Phrases that are embedded: words up to a pause of `gap_s`, at least `shortest_s` and at most `longest_s` long."""

    gap_s: float = Field(0.3, gt=0)
    shortest_s: float = Field(2.0, gt=0)
    longest_s: float = Field(10.0, gt=0)


class EmbeddingConfig(Config):
    """Two towers into a space of `dim` dimensions: an ACTOR encoder of `motion_layers` on motion, a transformer of
    `speech_layers` on tokens of words and audio. Of motion every `motion_step`-th frame at 15 fps is read.
    `temperature` belongs to `infonce` alone, `margin` to both losses.

    Batches are drawn from `among` times as many units of similar lengths (None: from all), so that how long a motion is
    tells nothing about whose it is. `gate` is how many times chance captured motion has to reach in R@3 for metrics
    that compare speech and motion to mean anything.
    """

    dim: int = Field(256, ge=2, multiple_of=2)
    heads: int = Field(4, ge=1)
    hidden: int = Field(1024, ge=1)
    motion_layers: int = Field(4, ge=1)
    speech_layers: int = Field(2, ge=1)
    motion_step: int = Field(1, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    loss: Loss = "infonce"
    margin: float = Field(10.0, gt=0)
    temperature: float = Field(0.1, gt=0)
    text: Text = "words"
    audio: Audio = "mel"
    bert: Pretrained = BERT
    wav2vec2: Pretrained = WAV2VEC2
    units: UnitConfig = UnitConfig()
    among: float | None = Field(2.0, ge=1)
    gate: float = Field(3.0, gt=0)
    training: Training = Training(steps=20_000, batch=128, lr=1e-4, clip_norm=0.5)

    @property
    def encoding(self) -> WindowEncoding | None:
        """The pretrained encoders that are read, None if there are none."""
        text, audio = self.bert if self.text == "bert" else None, self.wav2vec2 if self.audio == "wav2vec2" else None
        return WindowEncoding(text=text, audio=audio, source="words") if text or audio else None


def preset(size: str) -> EmbeddingConfig:
    """The configuration of a size: `tiny`, `demo` or `paper`."""
    small = {"dim": 64, "hidden": 128, "motion_layers": 2, "speech_layers": 1, "motion_step": 2, "dropout": 0.0}
    sizes = {
        "tiny": EmbeddingConfig(**small, training=Training(steps=40, batch=32, lr=1e-3)),
        "demo": EmbeddingConfig(**small, training=Training(steps=140, batch=32, lr=1e-3)),
        "paper": EmbeddingConfig(text="bert", audio="wav2vec2"),
    }
    return sizes[size]


@dataclass(frozen=True)
class EmbeddingPart:
    """The step that trains an evaluator, as plans of metrics and components of methods name it: equal parts are one
    step, whoever asks. Fields as in `Component`; it is shared by all seeds."""

    name: str
    fit: str
    version: int
    config: Mapping[str, Any]
    place: Mapping[str, Any] = field(default_factory=dict)


def embedding_part(config: EmbeddingConfig) -> EmbeddingPart:
    """The key holds the identity of pretrained models, wherever they lie; models that are not read are left out."""
    values, read = config.model_dump(mode="json"), _read(config)
    for name in ("bert", "wav2vec2"):
        values[name] = stated_identity(read[name]) if name in read else None
    return EmbeddingPart(NAME, FIT, VERSION, values, {"embedding": config.model_dump(mode="json")})


def missing_models(config: EmbeddingConfig) -> tuple[str, ...]:
    """One line for each model that this configuration reads and that is not on this machine."""
    found = (absence(model, f"contrastive evaluator, {name}.model") for name, model in _read(config).items())
    return tuple(line for line in found if line)


def _read(config: EmbeddingConfig) -> dict[str, Pretrained]:
    named = {"bert": (config.text, config.bert), "wav2vec2": (config.audio, config.wav2vec2)}
    return {name: model for name, (chosen, model) in named.items() if chosen == name}
