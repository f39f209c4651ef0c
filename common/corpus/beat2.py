"""The BEAT2 reader: one folder, its clips, its split, its speakers. Reads the real corpus and the stand-in alike."""

import csv
import os
import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path

from gesturebench.common.corpus import annotations, audio
from gesturebench.common.corpus.clip import SAMPLE_RATE, Clip, Motion, Speech, TruthEvent, Word
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.files import read_json
from gesturebench.common.motion.export import load_motion

FPS = 30
SPLITS = ("train", "val", "test", "additional")
EMOTIONS = ("neutral", "happiness", "anger", "sadness", "contempt", "surprise", "fear", "disgust")
_EMOTION_STARTS = (1, 65, 73, 81, 87, 95, 103, 111)
_FOLDER = "beat_english_v2.0.0"
_MOTION = "smplxflame_30"
MANIFEST = "manifest.json"
SPLIT_TABLE = "train_test_split.csv"
_ABSENT_SPEAKERS = (8, 14, 19, 26, 29)
_ID = re.compile(r"(\d+)_([^_]+)_([0-7])_(\d+)_(\d+)")
ANNOTATIONS = {
    "words": "textgrid/{id}.TextGrid",
    "labels": "sem/{id}.txt",
    "relations": "discourse_rels/{id}_whisper_relations.json",
    "prominence": "prom/{id}.prom",
    "truth": "truth/{id}.json",
}
"""Where each annotation of a clip lies, below the corpus folder."""
Words = tuple[tuple[Word, ...], tuple[Word, ...]]
"""Words and phones of a recording."""


@dataclass(frozen=True, slots=True)
class ClipName:
    """A clip id taken apart: `{speaker}_{name}_{type}_{start}_{end}`; even types are monologues, odd conversations."""

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
        return cls(int(match[1]), int(match[3]), int(match[4]))

    @property
    def emotion(self) -> int:
        """0 neutral to 7 disgust: by question number in monologues, neutral in conversations."""
        return 0 if self.recording % 2 else bisect_right(_EMOTION_STARTS, max(self.number, 1)) - 1


def dense_speaker(number: int) -> int:
    """Row of a 25-speaker embedding table: 30, 28 and 27 take the rows of the absent 8, 14 and 19.

    >>> [dense_speaker(n) for n in (1, 2, 30, 28, 27, 25)]
    [0, 1, 7, 13, 18, 24]
    """
    if not 1 <= number <= 30 or number in _ABSENT_SPEAKERS:
        raise InputError(
            f"speaker {number}",
            expected=f"1 to 30 without {', '.join(map(str, _ABSENT_SPEAKERS))}",
            remedy="pick a BEAT2 English speaker",
        )
    return {30: 8, 28: 14, 27: 19}.get(number, number) - 1


def body_model_path(root: Path, body: Path | None = None) -> Path:
    """The SMPL-X file to use: `body`, else $GESTUREBENCH_BODY, else the one inside the corpus folder."""
    given = body or os.environ.get("GESTUREBENCH_BODY")
    return Path(given) if given else root / "smplx_models" / "smplx" / "SMPLX_NEUTRAL_2020.npz"


def clip_length(motion_frames: int, samples: int) -> tuple[int, int]:
    """Frames n and samples of a clip cut to the shorter of motion and audio of s seconds.

    n = min(frames, floor(30 s)); the audio keeps ceil(n 16000 / 30) samples, so that it covers all n frames.

    >>> clip_length(1906, 1_025_558)
    (1906, 1016534)
    """
    n = min(motion_frames, samples * FPS // SAMPLE_RATE)
    return n, ceil(n * SAMPLE_RATE / FPS)


@dataclass(frozen=True, eq=False)
class Recording:
    """A clip as read, and what was cut off: `dropped_frames` of motion, `dropped_s` seconds of audio."""

    clip: Clip
    truth: tuple[TruthEvent, ...]
    dropped_frames: int
    dropped_s: float


class Beat2Folder:
    """A BEAT2 English folder. `requires` names annotations (`words` ...) that no clip may lack; others may miss."""

    def __init__(self, root: Path, *, requires: frozenset[str] = frozenset()):
        root = Path(root)
        self.root = root / _FOLDER if (root / _FOLDER / _MOTION).is_dir() else root
        for name in requires - ANNOTATIONS.keys():
            raise unknown_name("annotation", name, ANNOTATIONS)
        self.requires = requires
        if not (self.root / _MOTION).is_dir():
            raise InputError(
                f"{root}: no folder {_MOTION}",
                expected=f"BEAT2's {_FOLDER} or its parent",
                remedy="pass that folder as --data",
            )

    def ids(self) -> tuple[str, ...]:
        """All clips that have motion, sorted by name."""
        found = tuple(sorted(path.stem for path in (self.root / _MOTION).glob("[!.]*.npz")))
        if not found:
            raise InputError(
                f"{self.root / _MOTION}: no npz files", expected="one per clip", remedy="copy the corpus there"
            )
        return found

    @property
    def is_standin(self) -> bool:
        """Whether the folder says of itself that the stand-in generator made it."""
        manifest = self.root / MANIFEST
        return manifest.exists() and "generator_version" in read_json(manifest)

    @property
    def has_split(self) -> bool:
        return self._csv.exists()

    @property
    def _csv(self) -> Path:
        return self.root / SPLIT_TABLE

    @cached_property
    def splits(self) -> dict[str, str]:
        """Clip id -> train, val, test or additional, in the order of `train_test_split.csv`."""
        if not self.has_split:
            raise InputError(
                f"{self._csv}: no such file",
                expected="header id,type and a row per clip",
                remedy="copy it from the corpus",
            )
        try:
            with open(self._csv, encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file))
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(
                f"{self._csv}: not a csv file ({error})",
                expected="header id,type and a row per clip",
                remedy="copy it from the corpus again",
            ) from error
        return self._checked_splits(rows)

    def _checked_splits(self, rows: list[dict[str, str]]) -> dict[str, str]:
        present, splits = set(self.ids()), {}
        for line, row in enumerate(rows, start=2):
            clip_id, kind = row.get("id"), row.get("type")
            where = f"{self._csv}: line {line}"
            if clip_id is None or kind not in SPLITS:
                raise InputError(
                    f"{where}: id {clip_id!r}, type {kind!r}",
                    expected=f"header id,type and types {', '.join(SPLITS)}",
                    remedy="correct the line",
                )
            if clip_id in splits:
                raise InputError(
                    f"{where}: {clip_id} is listed twice", expected="one row per clip", remedy="delete one of the rows"
                )
            if clip_id not in present:
                raise InputError(
                    f"{where}: no file {self._motion(clip_id)}", remedy="copy the clip there or delete the row"
                )
            splits[clip_id] = kind
        return splits

    def split(self, name: str) -> tuple[str, ...]:
        """The clips of a split, in the order of the csv."""
        return chosen_split(self.splits, name, self._csv)

    def motion(self, clip_id: str) -> Motion:
        motion = load_motion(self._motion(clip_id))
        if motion.fps != FPS:
            raise InputError(
                f"{self._motion(clip_id)}: {motion.fps:g} frames per second",
                expected=str(FPS),
                remedy="resample the motion",
            )
        return motion

    def wave_header(self, clip_id: str) -> audio.WaveHeader:
        return audio.read_header(self._wave(clip_id))

    def read(self, clip_id: str) -> Clip:
        """The clip with everything the folder knows about it; motion and audio are cut to the shorter of the two."""
        return self.record(clip_id).clip

    def record(self, clip_id: str) -> Recording:
        """`read`, together with the truth (stand-in only) and what was cut off."""
        name, motion, wave = ClipName.parse(clip_id), self.motion(clip_id), audio.read_audio(self._wave(clip_id))
        n, samples = clip_length(motion.n_frames, len(wave))
        if n == 0:
            raise InputError(
                f"{self._wave(clip_id)}: {len(wave)} samples are shorter than one frame", remedy="leave the clip out"
            )
        words, phones = self._words(clip_id, samples / SAMPLE_RATE)
        speech = Speech(
            clip_id, wave[:samples], name.speaker, name.emotion, words, phones,
            relations=self._annotation("relations", clip_id, annotations.read_relations),
            labels=self._annotation("labels", clip_id, annotations.read_labels),
            prominence=self._annotation("prominence", clip_id, annotations.read_prominence),
        )  # fmt: skip
        truth = self._annotation("truth", clip_id, annotations.read_truth)
        return Recording(
            Clip(clip_id, speech, motion.cut(0, n)), truth, motion.n_frames - n, (len(wave) - samples) / SAMPLE_RATE
        )

    def files(self, clip_id: str) -> list[Path]:
        """The files of a clip that `read` opens and that are there."""
        paths = [self._motion(clip_id), self._wave(clip_id), *(self._path(name, clip_id) for name in ANNOTATIONS)]
        return [path for path in paths if path.is_file()]

    def _motion(self, clip_id: str) -> Path:
        return self.root / _MOTION / f"{clip_id}.npz"

    def _wave(self, clip_id: str) -> Path:
        return self.root / "wave16k" / f"{clip_id}.wav"

    def _path(self, annotation: str, clip_id: str) -> Path:
        return self.root / ANNOTATIONS[annotation].format(id=clip_id)

    def _words(self, clip_id: str, duration_s: float) -> Words:
        wave = self._wave(clip_id)
        return self._annotation("words", clip_id, lambda path: aligned_words(path, wave, duration_s)) or ((), ())

    def _annotation(self, name: str, clip_id: str, read):
        path = self._path(name, clip_id)
        if path.exists():
            return read(path)
        if name in self.requires:
            raise InputError(
                f"{path}: no such file, but {name} are required",
                remedy="add the annotation or pick a method that does without",
            )
        return ()


def chosen_split(splits: dict[str, str], name: str, source: object) -> tuple[str, ...]:
    """The ids of one split; unknown and empty ones are refused."""
    if name not in SPLITS:
        raise unknown_name("split", name, SPLITS)
    chosen = tuple(clip_id for clip_id, kind in splits.items() if kind == name)
    if not chosen:
        raise InputError(
            f"{source}: split {name!r} is empty",
            expected="at least one clip",
            remedy=f"mark clips as {name} or choose another",
        )
    return chosen


def aligned_words(textgrid: Path, wav: Path, duration_s: float) -> Words:
    """Words and phones of a TextGrid; one that ends more than a second before the audio is of another recording, or
    cut short."""
    words, phones, end_s = annotations.read_textgrid(textgrid)
    if end_s < duration_s - 1:
        raise InputError(
            f"{textgrid}: ends at {end_s:.2f} s, the audio {wav} at {duration_s:.2f} s",
            expected="a TextGrid as long as the audio",
            remedy="align the whole recording or leave the TextGrid out",
        )
    return words, phones


def read_speech(wav: Path, textgrid: Path | None = None, *, speaker: int, clip_id: str | None = None) -> Speech:
    """Speech from a sound file of any rate and length, with words if a TextGrid is given; `speaker` as in BEAT2."""
    dense_speaker(speaker)
    wave = audio.read_audio(wav)
    if clip_length(len(wave), len(wave))[0] == 0:
        raise InputError(
            f"{wav}: {len(wave)} samples are shorter than one frame",
            expected="a thirtieth of a second or more",
            remedy="choose a longer recording",
        )
    words, phones = aligned_words(textgrid, wav, len(wave) / SAMPLE_RATE) if textgrid else ((), ())
    return Speech(clip_id or Path(wav).stem, wave, speaker, words=words, phones=phones)
