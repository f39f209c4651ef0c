"""What is retrieved, and by which score. Imports nothing heavy."""

from typing import Any, Literal, Self

from pydantic import Field, SerializationInfo, SerializerFunctionWrapHandler, model_serializer, model_validator

from gesturebench.common.config import Config
from gesturebench.common.features.pretrained import Pretrained
from gesturebench.common.features.sentence_config import SentenceConfig
from gesturebench.common.features.window_config import WAV2VEC2
from gesturebench.common.retrieval.phrase_config import PhraseConfig

Exclusion = Literal["entry", "recording", "script", "same_length"]
"""Which entries a query never gets. `entry`: itself. `recording`: all of its own recording, because windows overlap
phrases. `script`: these, and entries that say the same words or come from a recording of the same part of the script
that the speakers share; the only rule that also leaves out entries for a test recording. `same_length`: for a training
window all entries exactly as long as its phrase, as released; where clips are cut to one length that is most of them.
"""


class RetrievalConfig(Config):
    """Hybrid retrieval (remodiffuse, 3.2 and 12.3 to 12.5).

    `samples` k per window; `ranked` how many ids are kept per entry for training; `length_weight` the lambda of the
    score; `length` what l is. `asked`: the phrase at the window's centre, or all of its phrases, which share the k
    places. `audio_weight` beta, the share of the sound in what counts as similar (all of it for phrases of function
    words alone), told by means of `audio`. `speakers`: whose entries are looked at. `index`: see
    `common/retrieval/indexes.py`; all find the same. `shown`: retrieved motions are the generation and nothing is
    sampled, the protocol by which the paper chose lambda.
    """

    principal = "samples"
    samples: int = Field(2, ge=1)
    ranked: int = Field(32, ge=1)
    length_weight: float = Field(0.1, ge=0)
    length: Literal["frames", "words", "onsets"] = "frames"
    asked: Literal["central", "all"] = "central"
    audio_weight: float = Field(0.0, ge=0, le=1)
    audio: Literal["mel", "prosody", "wav2vec2"] = "mel"
    wav2vec2: Pretrained = WAV2VEC2
    speakers: Literal["same", "any"] = "same"
    exclude: Exclusion = "recording"
    index: Literal["auto", "flat", "faiss"] = "auto"
    phrases: PhraseConfig = PhraseConfig()
    text: SentenceConfig = SentenceConfig()
    shown: bool = False

    @model_validator(mode="after")
    def _enough_is_ranked(self) -> Self:
        if self.ranked < self.samples:
            raise ValueError(f"ranked ({self.ranked}) no smaller than samples ({self.samples})")
        return self

    @model_serializer(mode="wrap")
    def _what_is_read(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """In JSON, of which a run's key is made, the speech encoder stands only where it is heard."""
        values = handler(self)
        if info.mode == "json" and self.audio != "wav2vec2":
            values.pop("wav2vec2", None)
        return values
