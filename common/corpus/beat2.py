"""The BEAT2 reader: one folder, its clips, its split, its speakers. Reads the real corpus and the stand-in alike."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any

from gesturebench.common.corpus import annotations, audio
from gesturebench.common.corpus.clip import SAMPLE_RATE, Clip, Motion, Speech, TruthEvent, Word
from gesturebench.common.corpus.names import ClipName, EmotionRule, dense_speaker
from gesturebench.common.corpus.splits import SPLIT_TABLE, chosen_split, read_splits
from gesturebench.common.corpus.transcript import read_whisper
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.files import read_json
from gesturebench.common.motion.export import load_motion, motion_length

FPS = 30
FOLDER = "beat_english_v2.0.0"
MOTION = "smplxflame_30/{id}.npz"
AUDIO = "wave16k/{id}.wav"
MANIFEST = "manifest.json"
ANNOTATIONS: dict[str, tuple[str, ...]] = {
    "words": ("textgrid/{id}.TextGrid",),
    "labels": ("sem/{id}.txt",),
    "relations": ("discourse_rels/{id}_whisper_relations.json",),
    "prominence": ("prom/{id}.prom",),
    "transcript": ("whisper_transcription/{id}.json", "whisper_transcription/{id}.TextGrid"),
    "truth": ("truth/{id}.json",),
}
"""Where each annotation of a clip lies, below the corpus folder; of two places the first that is there counts."""
READERS: dict[str, Callable[[Path], tuple[Any, ...]]] = {
    "labels": annotations.read_labels,
    "relations": annotations.read_relations,
    "prominence": annotations.read_prominence,
    "transcript": lambda path: (read_whisper if path.suffix == ".json" else annotations.read_transcript)(path),
    "truth": annotations.read_truth,
}
"""How each annotation is read; words also need the length of the audio, see `aligned_words`."""
Words = tuple[tuple[Word, ...], tuple[Word, ...]]
"""Words and phones of a recording."""


def body_model_path(root: Path, body: Path | None = None) -> Path:
    """The SMPL-X file to use: `body`, else $GESTUREBENCH_BODY, else the one inside the corpus folder."""
    given = body or os.environ.get("GESTUREBENCH_BODY")
    return Path(given) if given else root / "smplx_models" / "smplx" / "SMPLX_NEUTRAL_2020.npz"


def clip_length(motion_frames: int, samples: int) -> tuple[int, int]:
    """Frames n and samples of a clip cut to the shorter of motion and audio of s seconds.

    n = min(frames, floor(30 s)); the audio keeps ceil(n 16000 / 30) samples, so that it covers all n frames. Motion
    beyond n is dropped, and counted as dropped frames; audio beyond them is the tail of the speech.

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
    """A BEAT2 English folder.

    `requires` names annotations (`words` ...) that no clip may lack; others may miss. `emotion` and `resampling` choose
    between the correct reading and that of the released loaders, see `EmotionRule` and `audio.Resampling`.
    """

    def __init__(
        self,
        root: Path,
        *,
        requires: frozenset[str] = frozenset(),
        emotion: EmotionRule = "from_id",
        resampling: audio.Resampling = "once",
    ):
        root, motions = Path(root), Path(MOTION).parent
        self.root = root / FOLDER if (root / FOLDER / motions).is_dir() else root
        for name in requires - ANNOTATIONS.keys():
            raise unknown_name("annotation", name, ANNOTATIONS)
        self.requires, self.emotion, self.resampling = requires, emotion, resampling
        if not (self.root / motions).is_dir():
            raise InputError(
                f"{root}: no folder {motions}",
                expected=f"BEAT2's {FOLDER} or its parent",
                remedy="pass that folder as --data",
            )

    def ids(self) -> tuple[str, ...]:
        """All clips that have motion, sorted by name."""
        motions = self.root / Path(MOTION).parent
        found = tuple(sorted(path.stem for path in motions.glob("[!.]*.npz")))
        if not found:
            raise InputError(f"{motions}: no npz files", expected="one per clip", remedy="copy the corpus there")
        return found

    @property
    def is_standin(self) -> bool:
        """Whether the folder says of itself that the stand-in generator made it."""
        manifest = self.root / MANIFEST
        return manifest.exists() and "generator_version" in read_json(manifest)

    @property
    def split_table(self) -> Path:
        return self.root / SPLIT_TABLE

    @property
    def has_split(self) -> bool:
        return self.split_table.exists()

    @cached_property
    def splits(self) -> dict[str, str]:
        """Clip id -> train, val, test or additional, in the order of `train_test_split.csv`."""
        return read_splits(self.split_table, set(self.ids()))

    def split(self, name: str) -> tuple[str, ...]:
        """The clips of a split, in the order of the csv."""
        return chosen_split(self.splits, name, self.split_table)

    def motion_file(self, clip_id: str) -> Path:
        return self.root / MOTION.format(id=clip_id)

    def audio_file(self, clip_id: str) -> Path:
        return self.root / AUDIO.format(id=clip_id)

    def annotation_file(self, name: str, clip_id: str) -> Path:
        """Where an annotation is, or would be if it were there."""
        places = [self.root / place.format(id=clip_id) for place in ANNOTATIONS[name]]
        return next((place for place in places if place.exists()), places[0])

    def has_audio(self, clip_id: str) -> bool:
        return self.audio_file(clip_id).is_file()

    def has(self, annotation: str, clip_id: str) -> bool:
        """Whether a clip has `words`, `labels` ... The released loaders leave clips without audio or words out."""
        return self.annotation_file(annotation, clip_id).is_file()

    def motion(self, clip_id: str) -> Motion:
        path = self.motion_file(clip_id)
        motion = load_motion(path)
        if motion.fps != FPS:
            raise InputError(
                f"{path}: {motion.fps:g} frames per second", expected=str(FPS), remedy="resample the motion"
            )
        return motion

    def wave_header(self, clip_id: str) -> audio.WaveHeader:
        return audio.read_header(self.audio_file(clip_id))

    def lengths(self, clip_id: str) -> tuple[int, int]:
        """Frames of motion and samples at 16 kHz that the files announce, before anything is cut; reads headers only,
        and no more of them than that."""
        return motion_length(self.motion_file(clip_id)), audio.resampled_length(self.wave_header(clip_id))

    def read(self, clip_id: str) -> Clip:
        """The clip with everything the folder knows about it; motion and audio are cut to the shorter of the two."""
        return self.record(clip_id).clip

    def record(self, clip_id: str) -> Recording:
        """`read`, together with the truth (stand-in only) and what was cut off."""
        name, motion = ClipName.parse(clip_id), self.motion(clip_id)
        wave = audio.read_audio(self.audio_file(clip_id), self.resampling)
        n, samples = clip_length(motion.n_frames, len(wave))
        if n == 0:
            raise InputError(
                f"{self.audio_file(clip_id)}: {len(wave)} samples are shorter than one frame",
                remedy="leave the clip out",
            )
        words, phones = self._words(clip_id, samples / SAMPLE_RATE)
        found = {kind: self._annotation(kind, clip_id, read) for kind, read in READERS.items()}
        found["tokens"] = self._annotation("relations", clip_id, annotations.read_tokens)
        truth = found.pop("truth")
        emotion = name.emotion if self.emotion == "from_id" else name.released_emotion
        speech = Speech(clip_id, wave[:samples], name.speaker, emotion, words, phones, **found, tail=wave[samples:])
        dropped_s = (len(wave) - samples) / SAMPLE_RATE
        return Recording(Clip(clip_id, speech, motion.cut(0, n)), truth, motion.n_frames - n, dropped_s)

    def files(self, clip_id: str) -> list[Path]:
        """The files of a clip that `read` opens and that are there."""
        kinds = (self.annotation_file(name, clip_id) for name in ANNOTATIONS)
        return [path for path in (self.motion_file(clip_id), self.audio_file(clip_id), *kinds) if path.is_file()]

    def _words(self, clip_id: str, duration_s: float) -> Words:
        wave = self.audio_file(clip_id)
        return self._annotation("words", clip_id, lambda path: aligned_words(path, wave, duration_s)) or ((), ())

    def _annotation(self, name: str, clip_id: str, read: Callable[[Path], tuple[Any, ...]]) -> tuple[Any, ...]:
        path = self.annotation_file(name, clip_id)
        if path.exists():
            return read(path)
        if name in self.requires:
            raise InputError(
                f"{path}: no such file, but {name} are required",
                remedy="add the annotation or pick a method that does without",
            )
        return ()


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
