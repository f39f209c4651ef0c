"""A corpus that fits in memory: two speakers, three gestures, a click for every word; the interface of a clip store."""

from types import SimpleNamespace

import numpy as np
import pytest

from gesturebench.common.corpus.clip import SAMPLE_RATE, Clip, GestureLabel, Motion, Speech, TruthEvent, Word
from gesturebench.common.corpus.standin.proportions import rest_joints
from gesturebench.common.errors import InputError
from gesturebench.common.fitting import FitContext
from gesturebench.common.motion.face import FaceModel
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.skeleton import JOINT
from gesturebench.evaluators.registry import evaluator_names, get_evaluator

FPS, SECONDS = 30, 8
TAGS = ("iconic:big", "deictic:you", "metaphoric:contrast")
STROKES_S = (1.5, 3.5, 5.5)
SAMPLES = 2
"""Motions per clip that multimodality is given."""
_ARMS = [
    3 * JOINT[f"{side}_{name}"] + k for side in ("left", "right") for name in ("shoulder", "elbow") for k in range(3)
]


class TinyStore:
    """Twelve clips of 8 s: 6 train, 2 val, 4 test."""

    is_standin = has_truth = True
    fingerprint = "tiny"

    def __init__(self):
        rest = rest_joints()
        self.joints = JointModel(rest, np.zeros((55, 3, 400)), np.full(90, 0.1))
        self.face = tiny_face()
        self.mean_speed = np.full(55, 0.05)
        names = [f"{speaker}_{name}_0_{k}_{k}" for speaker, name in ((1, "wayne"), (2, "scott")) for k in range(1, 7)]
        self.ids = tuple(names)
        self._splits = {
            "train": [*names[:3], *names[6:9]],
            "val": [names[3], names[9]],
            "test": [*names[4:6], *names[10:]],
        }
        self._clips = {name: make_clip(name, number) for number, name in enumerate(names)}

    def split(self, name: str) -> tuple[str, ...]:
        if name not in self._splits:
            raise InputError(f"no clip in split {name!r}")
        return tuple(self._splits[name])

    def n_frames(self, clip_id: str) -> int:
        return self.motion(clip_id).n_frames

    def clip(self, clip_id: str) -> Clip:
        return self._clips[clip_id][0]

    def motion(self, clip_id: str) -> Motion:
        return self.clip(clip_id).motion

    def truth(self, clip_id: str) -> tuple[TruthEvent, ...]:
        return self._clips[clip_id][1]


def tiny_face() -> FaceModel:
    """Six vertices that move, two of them with the jaw, of a mesh of ten."""
    rng = np.random.default_rng(3)
    basis, shape, rest = (
        1e-3 * rng.normal(size=size).astype(np.float32) for size in ((109, 3 * 6 + 3 * 2), (300, 6), (6,))
    )
    return FaceModel(basis, shape, rest, n_coordinates=30)


def make_clip(name: str, number: int) -> tuple[Clip, tuple[TruthEvent, ...]]:
    """A clip whose arms make the three gestures, in an order that depends on `number`, over slow smooth noise."""
    rng = np.random.default_rng(number)
    n = FPS * SECONDS
    poses = smooth_noise(rng, n, 165, 0.03)
    events = []
    for place, start in enumerate(STROKES_S):
        kind = (number + place) % len(TAGS)
        poses[:, _ARMS] += stroke(kind, start, n) * rng.uniform(0.8, 1.2)
        word = ("big", "you", "but")[kind]
        events.append(
            TruthEvent(TAGS[kind], word, start, start + 0.3, start - 0.4, start, start + 0.5, start + 0.7, "both")
        )
    motion = Motion(
        poses.astype(np.float32),
        smooth_noise(rng, n, 100, 0.1).astype(np.float32),
        smooth_noise(rng, n, 3, 0.05).astype(np.float32),
        rng.normal(size=300).astype(np.float32),
        float(FPS),
    )
    return Clip(name, make_speech(name, rng, events), motion), tuple(events)


def make_speech(name: str, rng: np.random.Generator, events: list[TruthEvent]) -> Speech:
    """A word with one stressed vowel at every click, and a semantic label over every gesture."""
    starts = np.cumsum(rng.uniform(0.3, 0.5, 15))
    return Speech(
        name,
        clicks(rng, starts),
        int(name.split("_")[0]),
        words=tuple(Word("word", start, start + 0.25) for start in starts),
        phones=tuple(Word("ER1", start, start + 0.2) for start in starts),
        labels=tuple(
            GestureLabel("06_iconic_m", event.prep_s, event.hold_s, rng.uniform(0.1, 1), event.word) for event in events
        ),
    )


def stroke(kind: int, start_s: float, n: int) -> np.ndarray:
    """(n, 12) arm rotations: raise, swing and lower, along a direction of its own for every kind."""
    at = (np.arange(n) / FPS - start_s) / 0.5
    envelope = np.exp(-((at - 0.5) ** 2))
    direction = np.random.default_rng(100 + kind).normal(size=(2, len(_ARMS)))
    return 0.8 * envelope[:, None] * (direction[0] + np.sin(3 * at)[:, None] * direction[1])


def smooth_noise(rng: np.random.Generator, n: int, dim: int, scale: float) -> np.ndarray:
    rates, phases = rng.uniform(0.1, 1.0, dim), rng.uniform(0, 2 * np.pi, dim)
    return scale * np.sin(2 * np.pi * rates * np.arange(n)[:, None] / FPS + phases)


def clicks(rng: np.random.Generator, starts_s: np.ndarray) -> np.ndarray:
    """Bursts of noise over a faint hiss."""
    audio = 1e-3 * rng.normal(size=SECONDS * SAMPLE_RATE)
    for start in starts_s:
        at = int(start * SAMPLE_RATE)
        audio[at : at + 1600] += 0.3 * rng.normal(size=len(audio[at : at + 1600]))
    return audio.astype(np.float32)


@pytest.fixture(scope="session")
def store() -> TinyStore:
    return TinyStore()


@pytest.fixture(scope="session")
def make(store, tmp_path_factory):
    """Evaluators by name with settings, on the tiny store; trained parts are fitted once."""
    artifacts = {}

    def fitted(name):
        cls = get_evaluator(name)
        if cls.fitted and name not in artifacts:
            out, work = tmp_path_factory.mktemp(name), tmp_path_factory.mktemp(f"{name}_work")
            cls.fit(small_config(cls), FitContext(store, out, work))
            artifacts[name] = out
        return artifacts.get(name)

    def build(name, **settings):
        cls = get_evaluator(name)
        return cls(small_config(cls).updated(settings), store, fitted(name))

    return SimpleNamespace(evaluator=build, artifact=fitted, names=evaluator_names())


SMALL = {
    "fgd": {"steps": 3, "batch": 2},
    "bc": {"mask": 15},
    "diversity": {"frames": 60},
    "multimodality": {"samples": SAMPLES},
}


def small_config(cls):
    return cls.preset("tiny").updated(SMALL.get(cls.name, {}))
