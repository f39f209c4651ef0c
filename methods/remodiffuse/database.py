"""Speech phrases of the training split with their motion, and which of them a window of speech retrieves.

Legend: N entries, n of them asked for, B windows, k samples each, T frames (the window's), F motion features, L tokens
of a sentence, D their width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from gesturebench.common.corpus.clip import Speech
from gesturebench.common.corpus.windows import Window
from gesturebench.common.errors import InputError
from gesturebench.common.features.sentences import token_width
from gesturebench.common.files import read_json
from gesturebench.common.retrieval.phrases import in_window
from gesturebench.methods.remodiffuse.entries import NONE, REPORT, STORED, TOKENS, Entries
from gesturebench.methods.remodiffuse.motion import FPS, STORE_FPS
from gesturebench.methods.remodiffuse.ranker import Found, Ranker, shared
from gesturebench.methods.remodiffuse.retrieval_components import MOTION, PHRASES, RANKINGS
from gesturebench.methods.remodiffuse.retrieval_config import RetrievalConfig
from gesturebench.methods.remodiffuse.spoken import SpokenPhrases
from gesturebench.methods.remodiffuse.training_motion import TrainingMotion

if TYPE_CHECKING:
    from gesturebench.methods.remodiffuse.config import RemodiffuseConfig

NOBODY = -1
"""The id of a place that nothing was retrieved for: zeros, length 0."""
RANKED = "rankings.npy"


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved entry and its score."""

    entry: int
    score: float


class PhraseDatabase:
    """Read access to what `database_fitting.py` wrote; motions and tokens are memory-mapped."""

    def __init__(self, config: RetrievalConfig, frames: int, artifacts: Mapping[str, Path]):
        """`frames` of a window, T."""
        self._config, self._frames, self._artifacts = config, frames, artifacts
        self.entries = Entries.load(artifacts[PHRASES])
        self.ranker = Ranker(self.entries, config)
        self._asked: WeakKeyDictionary[Speech, AskedSpeech] = WeakKeyDictionary()

    @classmethod
    def load(cls, config: "RemodiffuseConfig", artifacts: Mapping[str, Path]) -> "PhraseDatabase":
        """From the artifacts of the components that `retrieval_components.py` names, and of the motion features where
        motions are asked for; rankings may be absent where no training window asks."""
        return cls(config.retrieval, config.motion.frames, artifacts)

    def __len__(self) -> int:
        return len(self.entries)

    def query(self, speech: Speech, window: Window) -> list[Hit]:
        """At most k hits for a window (frames of 30 fps) of a speech, best first; none where nothing is said in it,
        fewer than k where no more may be had."""
        asked = self.asked_by(speech)
        asking = [asked.found[number] for number in self.asking(asked, window)]
        scores: dict[int, float] = {}
        for ids, values in asking:
            for entry, score in zip(ids.tolist(), values.tolist()):
                scores.setdefault(entry, score)
        chosen = shared([ids.tolist() for ids, _ in asking], self._config.samples)
        return [Hit(entry, scores[entry]) for entry in chosen]

    def asking(self, asked: "AskedSpeech", window: Window) -> list[int]:
        """Numbers of the phrases of a speech that ask for a window."""
        return self._asking(asked.spans, window)

    def trained(self, window: Window) -> list[int]:
        """The ids for a window of a training recording, from the precomputed rankings."""
        own = self.entries.of_clip.get(window.clip_id, NONE)
        spans_s = np.stack([self.entries.start_s[own], self.entries.end_s[own]], axis=1)
        rankings = [self._rankings[own[number]] for number in self._asking(spans_s, window)]
        return shared([ranking[ranking != NOBODY].tolist() for ranking in rankings], self._config.samples)

    def asked_by(self, speech: Speech) -> "AskedSpeech":
        """What each phrase of a speech retrieves; its phrases are ranked together, once."""
        if speech not in self._asked:
            self._asked[speech] = AskedSpeech(SpokenPhrases(speech, self._config), self.ranker, self._config)
        return self._asked[speech]

    def padded(self, found: Sequence[Sequence[int]]) -> np.ndarray:
        """(B, k) ids, `NOBODY` where there are fewer than k."""
        ids = np.full((len(found), self._config.samples), NOBODY, np.int64)
        for row, own in zip(ids, found):
            row[: len(own)] = own
        return ids

    def motions(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, T, F) float32 standardised and padded with zeros, (n,) lengths in frames; zeros for `NOBODY`."""
        rows = np.zeros((len(ids), self._frames, self._motion.width), np.float32)
        lengths = np.zeros(len(ids), np.int64)
        for k, entry in enumerate(ids.tolist()):
            if entry != NOBODY:
                clip, first, count = self.place(entry)
                own = self._motion.rows(clip, first, first + min(count, self._frames))
                rows[k, : len(own)], lengths[k] = own, len(own)
        return rows, lengths

    def text_tokens(self, ids: np.ndarray) -> np.ndarray:
        """(n, L, D) float32, zeros behind the end of a sentence and for `NOBODY`."""
        starts, said = self.entries.rows, self.entries.said
        rows = np.zeros((len(ids), self._config.text.tokens, self._tokens.shape[1]), np.float32)
        for row, entry in zip(rows, ids.tolist()):
            if entry != NOBODY:
                first, last = starts[said[entry]], starts[said[entry] + 1]
                row[: last - first] = self._tokens[first:last]
        return rows

    def place(self, entry: int) -> tuple[str, int, int]:
        """The recording of an entry, its first frame and number of frames at 15 fps."""
        e = self.entries
        return e.clips[e.clip[entry]], int(e.first[entry]), int(e.frames[entry])

    def report(self) -> dict[str, Any]:
        """What the database holds, and which phrases of the test split have their very words in it."""
        return read_json(self._artifacts[PHRASES] / REPORT)

    def _asking(self, spans_s: np.ndarray, window: Window) -> list[int]:
        """Numbers of the phrases that ask for a window."""
        start_s, end_s = window.start / STORE_FPS, (window.start + window.length) / STORE_FPS
        return in_window(spans_s, start_s, end_s)[: 1 if self._config.asked == "central" else None]

    @cached_property
    def _motion(self) -> TrainingMotion:
        return TrainingMotion(self._artifacts[MOTION])

    @cached_property
    def _tokens(self) -> np.ndarray:
        """(M, D) rows of tokens of all texts, text after text."""
        shape = (int(self.entries.rows[-1]), token_width(self._config.text))
        if not shape[0]:
            return np.zeros(shape, np.float32)
        return np.memmap(self._artifacts[PHRASES] / TOKENS, STORED, "r", shape=shape).view(np.ndarray)

    @cached_property
    def _rankings(self) -> np.ndarray:
        if RANKINGS not in self._artifacts:
            raise InputError(
                "windows of training recordings ask a database without rankings",
                expected=f"the artifact of the component {RANKINGS!r}",
                remedy="pass it on to the fit",
            )
        return np.load(self._artifacts[RANKINGS] / RANKED, mmap_mode="r").view(np.ndarray)


class AskedSpeech:
    """The phrases of a speech, and of each its entries with their scores, best first. It does not hold the speech, by
    which it is remembered."""

    def __init__(self, spoken: SpokenPhrases, ranker: Ranker, config: RetrievalConfig):
        speech, self.phrases, self.spans = spoken.speech, spoken.phrases, spoken.spans
        self.text = spoken.text if len(spoken) else None
        self.found: list[Found] = []
        if len(spoken):
            banned = [
                ranker.entries.banned(config.exclude, speech.clip_id, p.start_s, p.text, p.frames(FPS)[1])
                for p in spoken.phrases
            ]
            self.found = ranker.best(ranker.asked_by(spoken), speech.speaker, config.samples, banned)
