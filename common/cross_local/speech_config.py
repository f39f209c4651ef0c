"""How the denoiser hears speech. Imports nothing heavy."""

from typing import Any, Literal

from pydantic import SerializationInfo, SerializerFunctionWrapHandler, model_serializer

from gesturebench.common.config import Config
from gesturebench.common.features.pretrained import Pretrained, absence, stated_identity
from gesturebench.common.features.window_config import WAV2VEC2, WAVLM, WindowEncoding

ENCODERS = ("wav2vec2", "wavlm")


class SpeechConfig(Config):
    """`audio` is a feature of the clip store, or the last hidden states of a frozen encoder at motion frames: the
    waveform is standardised first, and a frame lies between two rows by their times."""

    principal = "audio"
    audio: Literal["mel", "prosody", "wav2vec2", "wavlm"] = "mel"
    wav2vec2: Pretrained = WAV2VEC2
    wavlm: Pretrained = WAVLM

    @property
    def encoder(self) -> Pretrained | None:
        """The encoder that is heard, None for a feature of the clip store."""
        return getattr(self, self.audio) if self.audio in ENCODERS else None

    @property
    def encoding(self) -> WindowEncoding | None:
        """How clips of a corpus are heard, each of them once; None for a feature of the clip store."""
        return None if self.encoder is None else WindowEncoding(audio=self.encoder, granularity="clip")

    def preparation(self, split: str = "train") -> tuple[dict[str, Any], dict[str, Any]] | None:
        """What `features.preparing.prepare_windows` is told so that the clips of a split are encoded once: what its key
        is made of, which holds the identity of the model, and where that lies. None where there is nothing to do."""
        if self.encoding is None:
            return None
        place = self.encoding.model_dump(mode="json")
        known = place | {"audio": stated_identity(self.encoder)}
        return {"length": 1, "step": 2**31, "split": split, "encoding": known}, {"encoding": place}

    def absences(self, where: str) -> tuple[str, ...]:
        """One line for an encoder that is not on this machine; `where` is the name of this section."""
        line = None if self.encoder is None else absence(self.encoder, f"{where}.{self.audio}.model")
        return (line,) if line else ()

    @model_serializer(mode="wrap")
    def _what_is_read(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """In JSON, of which a run's key is made, an encoder stands only where it is heard."""
        values = handler(self)
        if info.mode == "json":
            for name in {*ENCODERS} - {self.audio}:
                values.pop(name, None)
        return values
