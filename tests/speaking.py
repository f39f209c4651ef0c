"""A corpus in memory in which arms say what the mouth says: every word has a pose of its own."""

from pathlib import Path

import numpy as np

from gesturebench.common.corpus.clip import SAMPLE_RATE, Clip, Motion, Speech, Word
from gesturebench.common.errors import InputError
from gesturebench.common.features.registry import compute_feature
from gesturebench.common.motion.skeleton import JOINT

FPS, WORD_S = 30, 0.5
SPOKEN = ("up", "down", "left", "right", "big", "small", "you", "me")
ARMS = [3 * JOINT[f"{side}_{name}"] + k for side in ("left", "right") for name in ("shoulder", "elbow") for k in (0, 1)]


class SpeakingStore:
    """As much of a clip store as the contrastive evaluator reads; `clips` by split, of `phrases` each. One training
    clip says nothing."""

    is_standin, has_truth, fingerprint, path = True, False, "speaking", Path("speaking")

    def __init__(self, train: int = 20, val: int = 6, test: int = 6, phrases: int = 6):
        self._splits, self._clips, self._mel = {}, {}, {}
        number = 0
        for split, count in {"train": train, "val": val, "test": test}.items():
            ids = [f"2_scott_0_{number + k}_{number + k}" for k in range(count)]
            self._splits[split] = tuple(ids)
            for clip_id in ids:
                number += 1
                self._clips[clip_id] = speaking_clip(clip_id, 0 if number == train else phrases, seed=number)
        self.ids = tuple(self._clips)

    def split(self, name: str) -> tuple[str, ...]:
        if name not in self._splits:
            raise InputError(f"no clip in split {name!r}")
        return self._splits[name]

    def clip(self, clip_id: str) -> Clip:
        return self._clips[clip_id]

    def speech(self, clip_id: str) -> Speech:
        return self.clip(clip_id).speech

    def motion(self, clip_id: str) -> Motion:
        return self.clip(clip_id).motion

    def n_frames(self, clip_id: str) -> int:
        return self.motion(clip_id).n_frames

    def feature(self, name: str, clip_id: str) -> np.ndarray:
        return self._mel.setdefault((name, clip_id), compute_feature(name, self.speech(clip_id)))


def speaking_clip(clip_id: str, phrases: int, seed: int) -> Clip:
    """Phrases of five to eight words with half a second of rest after each; at least three seconds."""
    rng = np.random.default_rng(seed)
    words, now = [], 0.2
    for _ in range(phrases):
        for kind in rng.integers(len(SPOKEN), size=rng.integers(5, 9)):
            words.append(Word(SPOKEN[kind], now, now + WORD_S))
            now += WORD_S
        now += 0.5
    n = int(max(now, 3.0) * FPS)
    poses = 0.02 * rng.normal(size=(n, 165))
    for word in words:
        start, stop = round(word.start_s * FPS), round(word.end_s * FPS)
        poses[start:stop, ARMS] += np.random.default_rng(SPOKEN.index(word.text)).normal(size=len(ARMS))
    motion = Motion(
        poses.astype(np.float32), np.zeros((n, 100), "f4"), np.zeros((n, 3), "f4"), np.zeros(300, "f4"), FPS
    )
    audio = (0.01 * rng.normal(size=n * SAMPLE_RATE // FPS)).astype(np.float32)
    return Clip(clip_id, Speech(clip_id, audio, 2, words=tuple(words)), motion)
