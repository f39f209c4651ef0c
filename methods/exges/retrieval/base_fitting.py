"""Making a motion base: the segments of the training split with their sound and motion (the component `motion_base`).

Legend: N entries, R frames of all of them, A audio features, M motion features.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gesturebench.common.corpus.clip import Speech, Word
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.device import device
from gesturebench.common.errors import InputError
from gesturebench.common.features.cache import FeatureCache
from gesturebench.common.files import read_json, write_json, write_npz
from gesturebench.common.fitting import FitContext
from gesturebench.methods.exges.retrieval.base_report import described, flags_line
from gesturebench.methods.exges.retrieval.config import BaseConfig
from gesturebench.methods.exges.retrieval.entries import AUDIO, MOTION, REPORT, STATISTICS, Entries
from gesturebench.methods.exges.retrieval.rows import MOTION_WIDTH, audio_width, motion_rows, speech_encoder
from gesturebench.methods.exges.retrieval.segmentation import FLAGS, Segment, is_entry, segments_of
from gesturebench.methods.exges.retrieval.words import spoken_words

SPLIT = "train"
STORED = np.float16
"""The type of stored sound: half the disk, and off by 5e-4 of a value at most."""
STD_FLOOR = 1e-2
"""What hardly moves must not be blown up to the size of what does."""


@dataclass(frozen=True, eq=False)
class ClipSegments:
    """A recording's segments, which may be none, and the frames that each has in its motion."""

    clip_id: str
    speaker: int
    n_frames: int
    segments: tuple[Segment, ...]

    def entries(self, config: BaseConfig) -> Iterator[tuple[Segment, int, int]]:
        """Those that belong into the base, with first frame and number of frames."""
        for segment in self.segments:
            first, stop = segment.frames(self.n_frames)
            count = min(stop - first, config.segments.max_frames)
            if is_entry(segment, config.segments) and count >= config.segments.min_frames:
                yield segment, first, count


def fit_motion_base(values: Mapping[str, Any], context: FitContext) -> None:
    """Write the base; `context.place["base"]` holds the settings with the models themselves."""
    config = BaseConfig.parse(dict(context.place["base"]), "base")
    found = cut_split(context, SPLIT, config)
    entries = _columns(found, config)
    if not len(entries):
        raise _no_entries(found, config)
    sums = _write_rows(entries, config, context)
    entries.save(context.out)
    write_npz(context.out / STATISTICS, **sums.statistics())
    write_json(context.out / REPORT, described(entries, found))


def cut_split(context: FitContext, split: str, config: BaseConfig) -> list[ClipSegments]:
    """The segments of every recording of a split; what Whisper heard is kept in `context.work`."""
    store, clips, found = context.store, context.store.split(split), []
    for done, clip_id in enumerate(clips, start=1):
        speech = store.speech(clip_id)
        words = _words(context, speech, config)
        segments = segments_of(words, speech.duration_s, config.segments)
        found.append(ClipSegments(clip_id, speech.speaker, store.n_frames(clip_id), tuple(segments)))
        context.progress(done, len(clips))
    return found


def _words(context: FitContext, speech: Speech, config: BaseConfig) -> list[Word]:
    if config.words.source == "textgrid":
        return spoken_words(speech, config.words)
    path = context.work / "words" / f"{speech.clip_id}.json"
    if not path.exists():
        write_json(path, [asdict(word) for word in spoken_words(speech, config.words)])
    return [Word(**values) for values in read_json(path)]


def stored_audio(context: FitContext, clip_id: str, config: BaseConfig) -> np.ndarray:
    """(T, A) rows of a recording: of the clip store, or encoded once and kept in `context.work`."""
    if config.encoder is None:
        return context.store.feature("mel", clip_id)
    encoder = speech_encoder(config.encoder, str(device()))
    return FeatureCache(context.work / "audio", "float16").get(encoder, context.store.speech(clip_id))


def _columns(found: list[ClipSegments], config: BaseConfig) -> Entries:
    kept = [(number, *entry) for number, clip in enumerate(found) for entry in clip.entries(config)]
    clips, segments = np.array([number for number, *_ in kept], np.int64), [segment for _, segment, _, _ in kept]
    return Entries(
        clips=tuple(clip.clip_id for clip in found),
        texts=tuple(segment.text for segment in segments),
        clip=clips,
        start_s=np.array([segment.start_s for segment in segments]),
        end_s=np.array([segment.end_s for segment in segments]),
        first=np.array([first for _, _, first, _ in kept], np.int64),
        frames=np.array([count for *_, count in kept], np.int64),
        words=np.array([len(segment.words) for segment in segments], np.int64),
        spoken_s=np.array([sum(w.end_s - w.start_s for w in segment.words) for segment in segments]),
        flag=np.array([FLAGS.index(segment.flag) for segment in segments], np.int64),
        speaker=np.array([found[number].speaker for number in clips], np.int64),
    )


def _no_entries(found: list[ClipSegments], config: BaseConfig) -> InputError:
    count = sum(len(clip.segments) for clip in found)
    said = f"{count} segments, {flags_line(found)}" if count else "no words at all"
    return InputError(
        f"split {SPLIT!r}: no segment can be an entry of the motion base ({said} in {len(found)} recordings)",
        expected=f"segments of {config.segments.entry_words} words and {config.segments.min_frames} frames at least",
        remedy="add the TextGrids of the training split, or set words.source=whisper with a checkpoint",
    )


class _Sums:
    """Running first and second moments of rows, in float64."""

    def __init__(self) -> None:
        self.count, self.moments = 0, {}

    def add(self, rows: int, **parts: np.ndarray) -> None:
        self.count += rows
        for name, values in parts.items():
            wide = values.astype(np.float64)
            one, two = self.moments.get(name, (0.0, 0.0))
            self.moments[name] = one + wide.sum(0), two + (wide * wide).sum(0)

    def statistics(self) -> dict[str, np.ndarray]:
        """`<part>_mean` and `<part>_std`."""
        found = {}
        for name, (one, two) in self.moments.items():
            mean = one / self.count
            std = np.sqrt(np.maximum(two / self.count - mean * mean, 0.0))
            found |= {f"{name}_mean": mean.astype(np.float32)}
            found |= {f"{name}_std": np.maximum(std, STD_FLOOR).astype(np.float32)}
        return found


def _write_rows(entries: Entries, config: BaseConfig, context: FitContext) -> _Sums:
    """Fill audio.npy and motion.npy, recording by recording."""
    total, sums, done = int(entries.rows[-1]), _Sums(), 0
    audio = _mapped(context, AUDIO, (total, audio_width(config)), STORED)
    motion = _mapped(context, MOTION, (total, MOTION_WIDTH), np.float32)
    for number in np.unique(entries.clip).tolist():
        ids, clip_id = np.flatnonzero(entries.clip == number), entries.clips[number]
        at = np.concatenate([np.arange(entries.frames[i]) + entries.first[i] for i in ids])
        part = slice(int(entries.rows[ids[0]]), int(entries.rows[ids[-1] + 1]))
        audio[part] = stored_audio(context, clip_id, config)[at]
        motion[part] = _motion(context.store, clip_id)[at]
        sums.add(len(at), audio=audio[part], motion=motion[part])
        done += len(ids)
        context.progress(done, len(entries))
    audio.flush(), motion.flush()
    return sums


def _motion(store: ClipStore, clip_id: str) -> np.ndarray:
    return motion_rows(store.motion(clip_id))


def _mapped(context: FitContext, name: str, shape: tuple[int, int], dtype: Any) -> np.memmap:
    return np.lib.format.open_memmap(context.out / name, "w+", dtype, shape)
