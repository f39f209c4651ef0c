"""The entries of a motion base as columns, on the disk and in memory.

Layout of the folder (N entries, R frames of all entries one after another, A audio features, M = 333 motion features):
entries.npz, the arrays of `Entries`; names.json, its names; audio.npy (R, A) float16 and motion.npy (R, M) float32,
memory-mapped; statistics.npz, mean and std of both; report.json, written last.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from gesturebench.common.retrieval.columns import Columns
from gesturebench.methods.exges.retrieval.segmentation import FLAGS

REPORT, AUDIO, MOTION, STATISTICS = "report.json", "audio.npy", "motion.npy", "statistics.npz"


@dataclass(frozen=True, eq=False)
class Entries(Columns):
    """`clip` (N,) numbers of `clips`, `start_s`, `end_s` (N,) in their recording, `first` (N,) frame there and `frames`
    (N,) how many, at 30 fps; `words` (N,) counts, `spoken_s` (N,) seconds of words, `flag` (N,) numbers of `FLAGS`,
    `speaker` (N,); `texts` what is said.
    """

    what: ClassVar[str] = "motion base"

    start_s: np.ndarray
    end_s: np.ndarray
    first: np.ndarray
    frames: np.ndarray
    words: np.ndarray
    spoken_s: np.ndarray
    flag: np.ndarray
    speaker: np.ndarray

    @cached_property
    def rows(self) -> np.ndarray:
        """(N + 1,) where the frames of each entry begin among all."""
        return np.concatenate([[0], np.cumsum(self.frames)]).astype(np.int64)

    @cached_property
    def of_speaker(self) -> dict[int, np.ndarray]:
        """Rising ids by speaker."""
        return {int(s): np.flatnonzero(self.speaker == s) for s in np.unique(self.speaker)}

    def of_clip(self, clip_id: str) -> np.ndarray:
        """Rising ids of the entries from a recording."""
        return np.flatnonzero(self.clip == self.clips.index(clip_id)) if clip_id in self.clips else NONE

    def place(self, entry: int) -> tuple[str, int, int]:
        """The recording of an entry, its first frame and its number of frames."""
        return self.clips[self.clip[entry]], int(self.first[entry]), int(self.frames[entry])

    def flag_of(self, entry: int) -> str:
        return FLAGS[self.flag[entry]]


NONE = np.zeros(0, np.int64)
