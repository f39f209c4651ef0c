"""The retriever: keyframes for a speech, from the trained module and the motion base.

Legend: Q segments of a speech, T frames of the longest, J dimensions of the joint space.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json
from gesturebench.common.seeds import numpy_generator
from gesturebench.methods.exges.retrieval.components import MOTION_BASE, RETRIEVER
from gesturebench.methods.exges.retrieval.config import KeyframeMode, RetrievalConfig
from gesturebench.methods.exges.retrieval.contrast import rows_of
from gesturebench.methods.exges.retrieval.encoders import Encoded, frame_contribution, frame_similarity
from gesturebench.methods.exges.retrieval.fitting import DIAGNOSTICS, VECTORS, load_module
from gesturebench.methods.exges.retrieval.keyframes import Keyframe
from gesturebench.methods.exges.retrieval.motion_base import MotionBase
from gesturebench.methods.exges.retrieval.rows import FPS, audio_rows
from gesturebench.methods.exges.retrieval.segmentation import Segment, segments_of
from gesturebench.methods.exges.retrieval.similar import Found, Index, index_of
from gesturebench.methods.exges.retrieval.validation import encoded
from gesturebench.methods.exges.retrieval.words import spoken_words


@dataclass(frozen=True, eq=False)
class Asked:
    """The segments of a speech of `total` frames and what was found for each: `audio` (Q, ...) encoded sound, `found`
    entries with their similarities, best first. It does not hold the speech, by which it is remembered."""

    clip_id: str
    speaker: int
    total: int
    segments: tuple[Segment, ...]
    audio: Encoded | None
    found: tuple[Found, ...]


class Retriever:
    """Read access to what `base_fitting.py` and `fitting.py` wrote."""

    def __init__(self, config: RetrievalConfig, artifacts: Mapping[str, Path], store: ClipStore):
        self.config, self._store = config, store
        self.base, self.module = MotionBase(artifacts[MOTION_BASE]), load_module(config, artifacts[RETRIEVER])
        self._vectors = np.load(artifacts[RETRIEVER] / VECTORS)
        self.diagnostics: dict[str, Any] = read_json(artifacts[RETRIEVER] / DIAGNOSTICS)
        self._indexes: dict[int, Index] = {}
        self._asked: WeakKeyDictionary[Speech, Asked] = WeakKeyDictionary()

    @classmethod
    def load(cls, config: RetrievalConfig, artifacts: Mapping[str, Path], store: ClipStore) -> "Retriever":
        """From the artifacts of the components that `components.py` names, and the corpus that poses are taken from."""
        return cls(config, artifacts, store)

    def keyframes(
        self, speech: Speech, mode: KeyframeMode = "retrieved", *, seed: int = 0, truth: Motion | None = None
    ) -> list[Keyframe]:
        """At most one per segment of speech, in the order of time, and never two in a frame; none where nothing is
        said. `truth` is the speech's own motion at 30 fps, which `ground_truth` shows. What is drawn at `random`
        depends on seed, clip and segment alone.
        """
        return [keyframe for keyframe, _ in self._placed(speech, mode, seed, truth) if keyframe is not None]

    def explain(
        self, speech: Speech, mode: KeyframeMode = "retrieved", *, seed: int = 0, truth: Motion | None = None
    ) -> list[dict[str, Any]]:
        """Of each segment what it asked and found, and the keyframe or the reason why there is none, as plain data."""
        asked = self.ask(speech)
        placed = self._placed(speech, mode, seed, truth)
        rows = zip(asked.segments, asked.found, placed, strict=True)
        return [self._told(segment, found, *outcome) for segment, found, outcome in rows]

    def ask(self, speech: Speech) -> Asked:
        """What each segment of a speech finds; its own recording never. Remembered as long as the speech lives."""
        if speech not in self._asked:
            self._asked[speech] = self._searched(speech)
        return self._asked[speech]

    @torch.no_grad()
    def _searched(self, speech: Speech) -> Asked:
        words = spoken_words(speech, self.config.base.words)
        total = speech.n_frames(FPS)
        cut = segments_of(words, speech.duration_s, self.config.base.segments)
        segments = tuple(segment for segment in cut if np.ptp(segment.frames(total)) > 0)
        if not segments:
            return Asked(speech.clip_id, speech.speaker, total, (), None, ())
        rows, longest = audio_rows(speech, self.config.base), self.config.base.segments.max_frames
        spans = [segment.frames(total) for segment in segments]
        audio = _joined(encoded(self.module.audio, [rows[a : min(b, a + longest)] for a, b in spans]))
        index, banned = self._index(speech.speaker), self.base.entries.of_clip(speech.clip_id)
        found = index.search(audio.vector.float().cpu().numpy(), self.config.search.candidates, banned)
        found = tuple(self._ordered(audio, found))
        return Asked(speech.clip_id, speech.speaker, total, segments, audio, found)

    def allowed(self, speech: Speech | Asked) -> np.ndarray:
        """Rising ids of the entries that a speech may find."""
        banned = self.base.entries.of_clip(speech.clip_id)
        return np.setdiff1d(self._pool(speech.speaker), banned)

    def _placed(
        self, speech: Speech, mode: KeyframeMode, seed: int, truth: Motion | None
    ) -> list[tuple[Keyframe | None, str]]:
        """Per segment its keyframe, or none and why."""
        if mode == "ground_truth":
            truth = _checked_truth(truth, speech)
        asked = self.ask(speech)
        if mode == "none":
            return [(None, "keyframes are switched off")] * len(asked.segments)
        placed: list[tuple[Keyframe | None, str]] = []
        taken: set[int] = set()
        for number, reason in enumerate(self._reasons(asked)):
            keyframe = None if reason else self._keyframe(asked, number, mode, seed, truth)
            if keyframe is not None and keyframe.frame in taken:
                keyframe, reason = None, "another keyframe stands in its frame"
            taken |= {keyframe.frame} if keyframe is not None else set()
            placed.append((keyframe, reason))
        return placed

    def _reasons(self, asked: Asked) -> list[str]:
        """Why a segment gets no keyframe; empty where it gets one."""
        gate = self.diagnostics["gate"] if self.config.search.gate else -np.inf
        reasons = []
        for ids, similarities in asked.found:
            if not len(ids):
                reasons.append(f"no entry of speaker {asked.speaker} may be found")
            elif max(similarities) < gate:
                reasons.append(f"similarity {max(similarities):.3f} is below the gate of {gate:.3f}")
            else:
                reasons.append("")
        return reasons

    def _keyframe(self, asked: Asked, number: int, mode: KeyframeMode, seed: int, truth: Motion | None) -> Keyframe:
        segment = asked.segments[number]
        entry, similarity = int(asked.found[number][0][0]), float(asked.found[number][1][0])
        vector = asked.audio.vector[number]
        if mode == "random":
            draw = numpy_generator("exges keyframe", seed, asked.clip_id, round(segment.start_s * 1000))
            entry = int(draw.choice(self.allowed(asked)))
            similarity = float(self._vectors[entry] @ vector.float().cpu().numpy())
            place = int(draw.integers(self.base.entries.frames[entry]))
        elif mode == "middle_frame":
            place = (int(self.base.entries.frames[entry]) - 1) // 2
        else:
            place = self._expressive_frame(entry, vector)
        frame = self._anchor(asked, number, entry, place)
        clip, first, _ = self.base.entries.place(entry)
        source, source_frame = (asked.clip_id, frame) if mode == "ground_truth" else (clip, first + place)
        motion = truth if mode == "ground_truth" else self._store.motion(clip)
        span = (segment.start_s, segment.end_s)
        return Keyframe(frame, source, source_frame, similarity, span, np.array(motion.poses[source_frame], np.float32))

    @torch.no_grad()
    def _expressive_frame(self, entry: int, vector_J: Tensor) -> int:
        """The frame of an entry that a segment of speech asks for."""
        by = {"similarity": frame_similarity, "contribution": frame_contribution}[self.config.search.frame]
        frames = encoded(self.module.motion, [self.base.motion(entry)])[0].frames[0]
        return self.module.motion.step * int(by(frames, vector_J).argmax())

    def _anchor(self, asked: Asked, number: int, entry: int, place: int) -> int:
        """The frame of the speech in which a keyframe goes."""
        segment, total = asked.segments[number], asked.total
        if self.config.search.anchor == "audio_peak":
            mask = asked.audio.mask[number]
            toward = torch.from_numpy(self._vectors[entry]).to(asked.audio.frames)
            likeness = frame_similarity(asked.audio.frames[number], toward).masked_fill(~mask, -torch.inf)
            return min(segment.frames(total)[0] + self.module.audio.step * int(likeness.argmax()), total - 1)
        length = int(self.base.entries.frames[entry])
        moment_s = segment.start_s + place / max(1, length - 1) * (segment.end_s - segment.start_s)
        return min(round(moment_s * FPS), total - 1)

    @torch.no_grad()
    def _ordered(self, audio: Encoded, found: Sequence[Found]) -> list[Found]:
        """Candidates by similarity, or by the probability that they match."""
        if self.config.search.rerank == "none":
            return list(found)
        ordered = []
        for number, (ids, similarities) in enumerate(found):
            if len(ids):
                motion = _joined(encoded(self.module.motion, [self.base.motion(entry) for entry in ids]))
                own = rows_of(audio, torch.full((len(ids),), number, device=audio.vector.device))
                match = self.module.matches(own, motion).softmax(1)[:, 1].cpu().numpy()
                order = np.argsort(-match, kind="stable")
                ids, similarities = ids[order], similarities[order]
            ordered.append((ids, similarities))
        return ordered

    def _pool(self, speaker: int) -> np.ndarray:
        if not self.config.search.same_speaker:
            return self._everything
        return self.base.entries.of_speaker.get(speaker, self._everything[:0])

    @cached_property
    def _everything(self) -> np.ndarray:
        return np.arange(len(self.base))

    def _index(self, speaker: int) -> Index:
        key = speaker if self.config.search.same_speaker else -1
        if key not in self._indexes:
            ids = self._pool(speaker)
            self._indexes[key] = index_of(self._vectors[ids], ids, self.config.search.index)
        return self._indexes[key]

    def _told(self, segment: Segment, found: Found, keyframe: Keyframe | None, reason: str) -> dict[str, Any]:
        entries = self.base.entries
        told: dict[str, Any] = {
            "start_s": round(segment.start_s, 3),
            "end_s": round(segment.end_s, 3),
            "text": segment.text,
            "flag": segment.flag,
            "found": [
                {
                    "recording": entries.place(entry)[0],
                    "frames": [entries.place(entry)[1], sum(entries.place(entry)[1:])],
                    "text": entries.texts[entry],
                    "similarity": round(similarity, 4),
                }
                for entry, similarity in zip(found[0].tolist(), found[1].tolist())
            ],
        }
        if keyframe is None:
            return told | {"keyframe": None, "reason": reason}
        placed = {"frame": keyframe.frame, "similarity": round(keyframe.similarity, 4)}
        return told | {
            "keyframe": {**placed, "recording": keyframe.source_recording, "source_frame": keyframe.source_frame}
        }


def _joined(blocks: Sequence[Encoded]) -> Encoded:
    """Blocks of segments as one, padded to the longest."""
    longest = max(block.tokens.shape[1] for block in blocks)
    columns = []
    for name in Encoded._fields:
        parts = [getattr(block, name) for block in blocks]
        if name != "vector":
            parts = [_lengthened(part, longest) for part in parts]
        columns.append(torch.cat(parts))
    return Encoded(*columns)


def _lengthened(values: Tensor, frames: int) -> Tensor:
    missing = frames - values.shape[1]
    return torch.cat((values, values.new_zeros(values.shape[0], missing, *values.shape[2:])), 1) if missing else values


def _checked_truth(truth: Motion | None, speech: Speech) -> Motion:
    if truth is None or truth.n_frames < speech.n_frames(FPS):
        given = "is not given" if truth is None else f"has {truth.n_frames} frames"
        raise InputError(
            f"{speech.clip_id}: the true motion {given}",
            expected=f"{speech.n_frames(FPS)} frames, for keyframes=ground_truth",
            remedy="take clips of the corpus, or other keyframes",
        )
    return truth
