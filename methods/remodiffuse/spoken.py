"""The phrases of one speech, and what retrieval compares of them. Legend: P phrases, E and A widths of features."""

from collections.abc import Callable
from functools import cache, cached_property

import numpy as np

from gesturebench.common.corpus.clip import SAMPLE_RATE, Speech
from gesturebench.common.device import device
from gesturebench.common.features.onsets import onset_frames
from gesturebench.common.features.pretrained import Pretrained
from gesturebench.common.features.registry import RATE, compute_feature
from gesturebench.common.features.sentences import sentence_encoder
from gesturebench.common.features.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from gesturebench.common.retrieval.function_words import has_content
from gesturebench.common.retrieval.phrases import Phrase, phrases_of, spans
from gesturebench.methods.remodiffuse.motion import FPS
from gesturebench.methods.remodiffuse.retrieval_config import RetrievalConfig

PIECE_S = 30.0
"""Seconds of speech that a pretrained encoder hears at once."""
Rows = Callable[[], np.ndarray]
"""A speech feature, (T, A) at 30 rows per second, when it is wanted."""


class SpokenPhrases:
    """Columns over the phrases of a speech; sound is looked at when it is asked for."""

    def __init__(self, speech: Speech, config: RetrievalConfig, rows: Rows | None = None):
        """`rows` of the configured sound where they are at hand."""
        self.speech, self._config = speech, config
        self._rows = rows or (lambda: heard_rows(speech, config))
        self.phrases: list[Phrase] = phrases_of(speech.words, config.phrases)

    def __len__(self) -> int:
        return len(self.phrases)

    @cached_property
    def spans(self) -> np.ndarray:
        """(P, 2) start and end of each in seconds."""
        return spans(self.phrases)

    @cached_property
    def texts(self) -> list[str]:
        return [phrase.text for phrase in self.phrases]

    @cached_property
    def text(self) -> np.ndarray:
        """(P, E) sentence features."""
        return sentence_encoder(self._config.text, str(device())).pooled(self.texts)

    @cached_property
    def audio(self) -> np.ndarray:
        """(P, A) means of the sound's rows over each phrase."""
        rows = self._rows()
        cuts = (rows[first : first + count] for first, count in (phrase.frames(RATE) for phrase in self.phrases))
        return np.stack([cut.mean(0) if len(cut) else np.zeros(rows.shape[1], np.float32) for cut in cuts])

    @cached_property
    def has_content(self) -> np.ndarray:
        """(P,) bool: whether a phrase has a word that is no function word."""
        return np.array([has_content(word.text for word in phrase.words) for phrase in self.phrases], bool)

    def lengths(self, kind: str) -> np.ndarray:
        """(P,) int: frames at 15 fps, words, or onsets of the sound."""
        of = {"frames": lambda p: p.frames(FPS)[1], "words": lambda p: len(p.words), "onsets": self._onsets}[kind]
        return np.array([of(phrase) for phrase in self.phrases], np.int64)

    def _onsets(self, phrase: Phrase) -> int:
        first, last = (max(0, round(moment * SAMPLE_RATE)) for moment in (phrase.start_s, phrase.end_s))
        return len(onset_frames(self.speech.audio[first:last]))


def heard_rows(speech: Speech, config: RetrievalConfig) -> np.ndarray:
    """(T, A) at 30 rows per second: a feature of the clip store, or a pretrained encoder's rows between frames."""
    if config.audio != "wav2vec2":
        return compute_feature(config.audio, speech)
    return _listener(config.wav2vec2, str(device())).rows(speech)


@cache
def _listener(source: Pretrained, device: str) -> SpeechEncoder:
    """One per model and device in a process."""
    return SpeechEncoder(
        SpeechEncoderConfig(model=source.model, revision=source.revision, fps=RATE, chunk_s=PIECE_S), device
    )
