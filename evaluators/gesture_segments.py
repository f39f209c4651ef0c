"""Stretches of motion as the semantic hit classifier sees them: the strokes of known gestures, and stretches without
one."""

from dataclasses import dataclass

import numpy as np

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion, TruthEvent
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.fitting import FitContext
from gesturebench.evaluators.gesture_classifier import GestureClassifier
from gesturebench.evaluators.gesture_features import arm_channels, segment
from gesturebench.evaluators.pairs import joint_positions

NONE = "none"
_TRIES = 50


class SegmentConfig(Config):
    """A stroke is seen as `samples` poses from `context_s` before its start to `context_s` after its end;
    `none_per_clip` stretches without a stroke are drawn from every clip, so that resting or beating hands are not
    forced into a gesture."""

    samples: int = 8
    context_s: float = 0.1
    none_per_clip: int = 6


@dataclass(frozen=True, eq=False)
class Segments:
    """Features (N, D) of N segments, the gesture of each (or `none`) and its speaker's number (N,)."""

    features: np.ndarray
    tags: list[str]
    speakers: np.ndarray


def event_features(
    store: ClipStore, motion: Motion, clip: Clip, intervals_s: list[tuple[float, float]], config: SegmentConfig
) -> np.ndarray:
    """(n, samples * 30): the arms of `motion`, on the clip's body, in each interval."""
    joints = joint_positions(store.joints, motion, clip).reshape(motion.n_frames, -1, 3)
    channels = arm_channels(joints)
    margin = config.context_s
    return np.stack(
        [segment(channels, start - margin, end + margin, config.samples).ravel() for start, end in intervals_s]
    )


def stroke_intervals(events: tuple[TruthEvent, ...]) -> list[tuple[float, float]]:
    return [(event.stroke_s, event.end_s) for event in events]


def quiet_intervals(
    events: tuple[TruthEvent, ...], duration_s: float, count: int, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Up to `count` intervals as long as strokes of the clip, at random times where none is made or held."""
    out: list[tuple[float, float]] = []
    for _ in range(_TRIES * count):
        if len(out) == count or not events:
            break
        length = events[rng.integers(len(events))]
        length_s = length.end_s - length.stroke_s
        start = rng.uniform(0, max(duration_s - length_s, 0))
        if all(start + length_s <= event.stroke_s or start >= event.hold_s for event in events):
            out.append((start, start + length_s))
    return out


def collect(store: ClipStore, split: str, config: SegmentConfig, context: FitContext) -> Segments:
    """The segments of the captured motion of a split; progress counts clips."""
    from gesturebench.common.seeds import numpy_generator

    features, tags, speakers = [], [], []
    ids = store.split(split)
    for done, clip_id in enumerate(ids, start=1):
        clip, events = store.clip(clip_id), store.truth(clip_id)
        rng = numpy_generator("semantic_hit", "none", context.seed, clip_id)
        quiet = quiet_intervals(events, clip.motion.duration_s, config.none_per_clip, rng)
        intervals = [*stroke_intervals(events), *quiet]
        if intervals:
            features.append(event_features(store, clip.motion, clip, intervals, config))
            tags += [*(event.tag for event in events), *(NONE for _ in quiet)]
            speakers += [clip.speech.speaker] * len(intervals)
        context.progress(done, len(ids))
    return Segments(np.concatenate(features) if features else np.empty((0, 0)), tags, np.array(speakers, dtype=int))


def quality(classifier: GestureClassifier, held_out: Segments) -> dict[str, float | int | None]:
    """Accuracy on captured strokes (`ceiling`) and the share of gesture-free stretches that are taken for a gesture
    (`false_alarm`)."""
    true = np.array(held_out.tags)
    predicted = np.array(classifier.predict(held_out.features, held_out.speakers)) if len(true) else true
    strokes, quiet = true != NONE, true == NONE
    return {
        "ceiling": float((predicted == true)[strokes].mean()) if strokes.any() else None,
        "false_alarm": float((predicted != NONE)[quiet].mean()) if quiet.any() else None,
        "missed": float((predicted == NONE)[strokes].mean()) if strokes.any() else None,
        "validation_strokes": int(strokes.sum()),
        "validation_quiet": int(quiet.sum()),
    }
