"""Retrieved motion as the generation itself: what the score finds, before any network has seen it.

The paper chose lambda by the distance of such motions from real ones. Legend: T frames of a speech at 15 fps, F
features, n frames of an entry.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.speakers import body_shape
from gesturebench.common.corpus.store import ClipStore
from gesturebench.methods.remodiffuse.components import MOTION
from gesturebench.methods.remodiffuse.database import PhraseDatabase
from gesturebench.methods.remodiffuse.motion import FPS, STORE_FPS, VELOCITY, at_store_rate, frames_of, motion_of
from gesturebench.methods.remodiffuse.training_motion import Standard

FADE = 3
"""Frames over which the end of one entry becomes the beginning of the next, 0.2 s."""


class Shown:
    """Stands where a generator would, with nothing trained."""

    def __init__(self, database: PhraseDatabase, artifacts: Mapping[str, Path], store: ClipStore):
        self._store, self._database = store, database
        self._standard = Standard.load(artifacts[MOTION])

    def batch(self, speeches: Sequence[Speech], seed: int, alive: Callable[[], None] = lambda: None) -> list[Motion]:
        """One motion per speech; the seed changes nothing."""
        motions = []
        for speech in speeches:
            alive()
            frames = speech.n_frames(STORE_FPS)
            features = torch.from_numpy(self._features(speech, max(1, frames_of(frames))))
            slow = motion_of(features, body_shape(self._store, speech.speaker))
            motions.append(at_store_rate(slow, frames))
        return motions

    def _features(self, speech: Speech, total: int) -> np.ndarray:
        """(T, F): from the beginning of each phrase on its best entry, up to the next phrase that has one; the mean
        pose where none has."""
        asked = self._database.asked_by(speech)
        placed = [
            (phrase.frames(FPS)[0], int(ids[0]))
            for phrase, (ids, _) in zip(asked.phrases, asked.found, strict=True)
            if len(ids) and phrase.frames(FPS)[0] < total
        ]
        if not placed:
            return np.broadcast_to(self._standard.mean, (total, len(self._standard.mean))).copy()
        starts = [start for start, _ in placed]
        begins, ends = [0, *starts[1:]], [*starts[1:], total]
        rows, lengths = self._database.motions(np.array([entry for _, entry in placed]))
        pieces = [
            swung(self._standard.back(torch.from_numpy(own[:n])).numpy(), np.arange(begin, end + FADE) - start)
            for own, n, start, begin, end in zip(rows, lengths, starts, begins, ends)
        ]
        return faded(pieces, FADE)[:total]


def swung(features_nF: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(len(at), F) an entry at any moments `at`, in frames from its beginning: forwards, and backwards where they lie
    before its beginning or behind its end, and so on without a jump; going back, the root goes back too.

    >>> swung(np.eye(337, dtype=np.float32)[:3], np.array([-1, 0, 1, 2, 3, 4, 5])).argmax(1).tolist()
    [1, 0, 1, 2, 1, 0, 1]
    """
    period = max(2 * (len(features_nF) - 1), 1)
    phase = at % period
    forwards = phase < max(len(features_nF) - 1, 1)
    rows = features_nF[np.where(forwards, phase, period - phase)]
    rows[:, VELOCITY] *= np.where(forwards, 1, -1)[:, None]
    return rows


def faded(pieces: Sequence[np.ndarray], overlap: int) -> np.ndarray:
    """One after another, the last `overlap` frames of each mixed into the first of the next."""
    weight = ((np.arange(overlap) + 1) / (overlap + 1)).astype(np.float32)[:, None]
    whole = pieces[0]
    for piece in pieces[1:]:
        shared = min(overlap, len(piece) - overlap)
        mixed = whole[-overlap:][:shared] * (1 - weight[:shared]) + piece[:shared] * weight[:shared]
        whole = np.concatenate([whole[:-overlap], mixed, piece[shared:]])
    return whole
