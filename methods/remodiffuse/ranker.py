"""Entries in the order in which a phrase would have them. Legend: N entries, Q phrases that ask, k ids kept of each."""

from collections.abc import Sequence

import numpy as np

from gesturebench.common.retrieval.hybrid import Asked, Library
from gesturebench.common.retrieval.indexes import Found, Index, index_of
from gesturebench.methods.remodiffuse.entries import NONE, Entries
from gesturebench.methods.remodiffuse.retrieval_config import RetrievalConfig
from gesturebench.methods.remodiffuse.spoken import SpokenPhrases

STD_FLOOR = 1e-6


class Ranker:
    """Ranks the entries by the hybrid score: text, and sound where a phrase has no content word or beta asks for it.

    Means of sound have most in common, whatever is said; they are standardised over the entries before their cosine is
    taken, so that it tells phrases apart.
    """

    def __init__(self, entries: Entries, config: RetrievalConfig):
        self.entries, self._config = entries, config
        self._lengths = getattr(entries, config.length)
        self._mean, self._std = entries.audio.mean(0), np.maximum(entries.audio.std(0), STD_FLOOR)
        self._scopes: dict[int | None, tuple[np.ndarray, Index]] = {}

    def asked_by(self, spoken: SpokenPhrases) -> Asked:
        """All phrases of a speech as queries; the sound is listened to where it counts."""
        weights = self._weights(spoken.has_content)
        silent = np.zeros((len(spoken), len(self._mean)), np.float32)
        audio = self._standardised(spoken.audio) if weights[:, 1].any() else silent
        return Asked.of((spoken.text, audio), weights, spoken.lengths(self._config.length))

    def asked_by_entries(self, ids: np.ndarray) -> Asked:
        """Entries as queries."""
        e = self.entries
        features = (e.text[e.said[ids]], self._standardised(e.audio[ids]))
        return Asked.of(features, self._weights(e.has_content[ids]), self._lengths[ids])

    def best(self, asked: Asked, speaker: int, keep: int, banned: Sequence[np.ndarray]) -> list[Found]:
        """Of each query at most `keep` ids and their scores, best first, without its `banned` ids."""
        ids, index = self._scope(speaker)
        if not len(ids):
            return [(NONE, np.zeros(0, np.float32))] * len(asked)
        places = [np.flatnonzero(np.isin(ids, some)) if len(some) else NONE for some in banned]
        return [(ids[found], scores) for found, scores in index.search(asked, keep, places)]

    def _weights(self, has_content: np.ndarray) -> np.ndarray:
        """(Q, 2) of text and sound."""
        beta = np.where(has_content, self._config.audio_weight, 1.0)
        return np.stack([1 - beta, beta], axis=1)

    def _standardised(self, audio: np.ndarray) -> np.ndarray:
        return (audio - self._mean) / self._std

    def _scope(self, speaker: int) -> tuple[np.ndarray, Index]:
        """The ids that a speaker's phrases may get, and the index over them."""
        key = speaker if self._config.speakers == "same" else None
        if key not in self._scopes:
            e = self.entries
            ids = np.arange(len(e)) if key is None else e.of_speaker.get(key, NONE)
            features = (e.text[e.said[ids]], self._standardised(e.audio[ids]))
            library = Library(features, self._lengths[ids], self._config.length_weight)
            self._scopes[key] = ids, index_of(library, self._config.index)
        return self._scopes[key]


def shared(rankings: Sequence[Sequence[int]], places: int) -> list[int]:
    """At most so many places given to several rankings in turn, each id once.

    >>> shared([[4, 7, 1], [4, 2]], 3), shared([[], [5]], 2)
    ([4, 2, 7], [5])
    """
    taken: list[int] = []
    for _ in range(places):
        for ranking in rankings:
            taken += unseen(ranking, taken, 1)
    return taken[:places]


def unseen(ranking: Sequence[int], seen: Sequence[int], keep: int) -> list[int]:
    """The first ids of a ranking that are not among those seen.

    >>> unseen([3, 0, 5, 2], [0], 2)
    [3, 5]
    """
    return [number for number in ranking if number not in seen][:keep]
