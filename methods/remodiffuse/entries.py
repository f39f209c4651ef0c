"""The entries of a phrase database as columns, on the disk and in memory.

Layout of the folder: entries.npz, the arrays of `Entries`; names.json, its names; tokens.bin, rows of token features of
all distinct texts one after another; report.json. Legend: N entries, S distinct texts, E and A widths of the features
of text and sound, M rows of tokens, D their width.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from gesturebench.common.corpus.names import ClipName
from gesturebench.common.errors import InputError
from gesturebench.common.retrieval.columns import Columns
from gesturebench.methods.remodiffuse.retrieval_config import Exclusion

TOKENS, REPORT = "tokens.bin", "report.json"
STORED = np.float16
"""The type of stored tokens: half the disk, and off by 5e-4 of a value at most."""
MARKS = " .,;:!?\"'()[]<>-"
Groups = Mapping[Hashable, np.ndarray]
"""Rising ids of the entries that share something."""


@dataclass(frozen=True, eq=False)
class Entries(Columns):
    """`clip` (N,) numbers of `clips`, `start_s`, `end_s` (N,) in their recording, `first` (N,) where their motion
    begins and `frames` (N,) how long it is, at 15 fps; `words`, `onsets` (N,) counts, `has_content` (N,) bool,
    `speaker` (N,); `said` (N,) numbers of `texts`, `text` (S, E), `audio` (N, A), `rows` (S + 1,) where the tokens of a
    text begin.
    """

    what: ClassVar[str] = "phrases"

    start_s: np.ndarray
    end_s: np.ndarray
    first: np.ndarray
    frames: np.ndarray
    words: np.ndarray
    onsets: np.ndarray
    has_content: np.ndarray
    speaker: np.ndarray
    said: np.ndarray
    text: np.ndarray
    audio: np.ndarray
    rows: np.ndarray

    @cached_property
    def of_clip(self) -> Groups:
        by_number = groups(self.clip.tolist())
        return {clip: by_number[number] for number, clip in enumerate(self.clips) if number in by_number}

    @cached_property
    def of_speaker(self) -> Groups:
        return groups(self.speaker.tolist())

    @cached_property
    def of_words(self) -> Groups:
        """By what is said, without case and punctuation."""
        plain = [bare(text) for text in self.texts]
        return groups(plain[number] for number in self.said)

    @cached_property
    def of_script(self) -> Groups:
        scripts = [script_of(clip) for clip in self.clips]
        return groups(scripts[number] for number in self.clip)

    @cached_property
    def of_frames(self) -> Groups:
        return groups(self.frames.tolist())

    def banned(self, rule: Exclusion, clip_id: str, start_s: float, text: str, frames: int) -> np.ndarray:
        """Rising ids of what a phrase of a recording never gets; `entry`, `recording` and `same_length` are about
        recordings of the database."""
        own = self.of_clip.get(clip_id, NONE)
        if rule == "entry":
            return own[self.start_s[own] == start_s]
        if rule == "same_length":
            return self.of_frames.get(frames, NONE) if len(own) else NONE
        if rule == "recording":
            return own
        script = script_of(clip_id)
        told = self.of_script.get(script, NONE) if script is not None else NONE
        return np.unique(np.concatenate([own, told, self.of_words.get(bare(text), NONE)]))


NONE = np.zeros(0, np.int64)


def groups(values: Iterable[Hashable]) -> Groups:
    """
    >>> {value: ids.tolist() for value, ids in groups(["a", "b", "a"]).items()}
    {'a': [0, 2], 'b': [1]}
    """
    found: dict[Hashable, list[int]] = {}
    for number, value in enumerate(values):
        found.setdefault(value, []).append(number)
    return {value: np.array(ids, np.int64) for value, ids in found.items()}


def bare(text: str) -> str:
    """
    >>> bare("Well, I think SO.")
    'well i think so'
    """
    return " ".join(word for word in (word.strip(MARKS) for word in text.lower().split()) if word)


def script_of(clip_id: str) -> int | None:
    """The part of the shared script that a recording reads: its number in speeches; None in conversations and for
    speech from elsewhere.

    >>> script_of("2_scott_0_103_103"), script_of("2_scott_1_3_3"), script_of("my own")
    (103, None, None)
    """
    try:
        name = ClipName.parse(clip_id)
    except InputError:  # no recording of the corpus
        return None
    return name.number if name.recording == 0 else None
