"""What a BEAT2 clip id says: speaker, kind of recording, emotion."""

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

from gesturebench.common.errors import InputError

SPEAKERS: dict[int, str] = {
    1: "wayne", 2: "scott", 3: "solomon", 4: "lawrence", 5: "stewart", 6: "carla", 7: "sophie", 9: "miranda",
    10: "kieks", 11: "nidal", 12: "zhao", 13: "lu", 15: "carlos", 16: "jorge", 17: "itoi", 18: "daiki", 20: "li",
    21: "ayana", 22: "luqi", 23: "hailing", 24: "kexin", 25: "goto", 27: "yingqing", 28: "tiffnay", 30: "katya",
}  # fmt: skip
"""The 25 speakers of BEAT2 English. 8, 14, 19, 26 and 29 of BEAT were left out for poor finger data."""
EMOTIONS = ("neutral", "happiness", "anger", "sadness", "contempt", "surprise", "fear", "disgust")
EmotionRule = Literal["from_id", "always_zero"]
"""`from_id`: by question number. `always_zero`: what the released loaders of EMAGE and MambaTalk feed their models,
because they read the kind of recording from the wrong field of the id; only 0 ever comes out."""

_EMOTION_STARTS = (1, 65, 73, 81, 87, 95, 103, 111)
_ID = re.compile(r"(\d+)_([^_]+)_(\d)_(\d+)_(\d+)")


@dataclass(frozen=True, slots=True)
class ClipName:
    """A clip id taken apart: `{speaker}_{name}_{type}_{start}_{end}`; type 0 is a speech, 1 a conversation."""

    speaker: int
    recording: int
    number: int

    @classmethod
    def parse(cls, clip_id: str) -> "ClipName":
        """
        >>> ClipName.parse("2_scott_0_103_103").emotion
        6
        """
        match = _ID.fullmatch(clip_id)
        if match is None:
            raise InputError(
                f"clip id {clip_id!r}",
                expected="speaker_name_type_start_end such as 2_scott_0_1_1",
                remedy="rename the file",
            )
        speaker, recording = int(match[1]), int(match[3])
        if speaker not in SPEAKERS:
            raise InputError(
                f"clip id {clip_id!r}: {_stranger(speaker)}", expected=_THE_25, remedy="leave the clip out"
            )
        if recording > 1:
            raise InputError(
                f"clip id {clip_id!r}: type {recording} is not English",
                expected="0 (speech) or 1 (conversation)",
                remedy="leave the clip out",
            )
        return cls(speaker, recording, int(match[4]))

    @property
    def emotion(self) -> int:
        """0 neutral to 7 disgust: by question number in speeches, neutral in conversations."""
        return 0 if self.recording else bisect_right(_EMOTION_STARTS, max(self.number, 1)) - 1

    @property
    def released_emotion(self) -> int:
        """The label under the rule `always_zero`."""
        return 0


_THE_25 = "one of the 25 speakers of BEAT2 English: 1 to 30 without 8, 14, 19, 26, 29"


def _stranger(number: int) -> str:
    return f"speaker {number} is not in BEAT2 English"


def dense_speaker(number: int) -> int:
    """Row of a 25-speaker embedding table: 30, 28 and 27 take the rows of the absent 8, 14 and 19.

    >>> [dense_speaker(n) for n in (1, 2, 30, 28, 27, 25)]
    [0, 1, 7, 13, 18, 24]
    """
    if number not in SPEAKERS:
        raise InputError(_stranger(number), expected=_THE_25, remedy="pick a BEAT2 English speaker")
    return {30: 8, 28: 14, 27: 19}.get(number, number) - 1
