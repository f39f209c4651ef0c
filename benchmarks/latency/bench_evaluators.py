"""FGD, BC, L1div and MPJPE: the parts beside plain re-statements of the released loops, a test set, many clips.

Legend: T frames, J joints. All motion is made up: smooth sums of sinusoids.
"""

import resource
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.signal import argrelextrema

from gesturebench.common.checkpoint import save_weights
from gesturebench.common.corpus.clip import SAMPLE_RATE, Clip, Motion, Speech
from gesturebench.common.corpus.standin.proportions import rest_joints
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.skeleton import UPPER, pose_channels
from gesturebench.common.threads import limit_threads
from gesturebench.evaluators.beat_consistency import BeatConsistencyConfig, beat_consistency, motion_beats
from gesturebench.evaluators.beats import alignment, relative_speed
from gesturebench.evaluators.fgd_features import clip_features
from gesturebench.evaluators.fgd_training import Scale, new_autoencoder
from gesturebench.evaluators.frechet import Moments, frechet_distance
from gesturebench.evaluators.registry import get_evaluator

FPS = 30
MINUTE = 64 * FPS
"""Frames of a clip of the speaker-2 test set: 15 clips, 16 minutes."""


def smooth(rng: np.random.Generator, n: int, channels: int, scale: float) -> np.ndarray:
    """(n, channels): three sinusoids of 0.1 to 2 Hz each."""
    rates, phases = rng.uniform(0.1, 2.0, (3, channels)), rng.uniform(0, 2 * np.pi, (3, channels))
    waves = np.sin(2 * np.pi * rates * np.arange(n)[:, None, None] / FPS + phases)
    return (scale * waves.sum(1)).astype(np.float32)


def motion(rng: np.random.Generator, n: int) -> Motion:
    betas = rng.normal(size=300).astype(np.float32)
    return Motion(smooth(rng, n, 165, 0.1), np.zeros((n, 100), np.float32), smooth(rng, n, 3, 0.05), betas, float(FPS))


def clip(number: int, n: int) -> Clip:
    """Captured motion, and bursts of noise three times a second for speech."""
    rng = np.random.default_rng(number)
    samples = n * SAMPLE_RATE // FPS
    loud = (np.arange(samples) / SAMPLE_RATE % rng.uniform(0.28, 0.4)) < 0.1
    audio = rng.normal(size=samples).astype(np.float32) * np.where(loud, 0.3, 1e-3).astype(np.float32)
    name = f"2_scott_0_{number}_{number}"
    return Clip(name, Speech(name, audio, 2), motion(rng, n))


@pytest.fixture(scope="module")
def store():
    """What evaluators ask of a clip store."""
    limit_threads()
    joints = JointModel(rest_joints(), np.zeros((55, 3, 400)), np.full(90, 0.1))
    return SimpleNamespace(joints=joints, mean_speed=np.full(55, 0.3, np.float32), fingerprint="made up")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fgd")
    save_weights(new_autoencoder(0, Scale(torch.zeros(330), 1.0, 1.0)), folder)
    return folder


@pytest.fixture(scope="module")
def positions(store) -> np.ndarray:
    """(T, 165) metres of one clip."""
    pose = motion(np.random.default_rng(0), MINUTE)
    return store.joints.positions(pose, trans=False, expressions=False).reshape(MINUTE, -1)


@pytest.fixture(scope="module")
def onsets_s() -> np.ndarray:
    return np.sort(np.random.default_rng(1).uniform(0, 60, 190))


def released_speed(positions: np.ndarray, mean_speed: np.ndarray) -> np.ndarray:
    """Central differences of all joints, filled in piece by piece."""
    velocity, dt = np.zeros_like(positions), 1 / FPS
    velocity[1:-1] = (positions[2:] - positions[:-2]) / (2 * dt)
    velocity[0] = (positions[1] - positions[0]) / dt
    velocity[-1] = (positions[-1] - positions[-2]) / dt
    return np.linalg.norm(velocity.reshape(len(positions), -1, 3), axis=2) / mean_speed


def released_beats(speed: np.ndarray, mask: int) -> list[list[int]]:
    """Joint by joint a search for extrema, then frame by frame the threshold."""
    beats = []
    for joint in range(speed.shape[1]):
        found = argrelextrema(speed[mask : len(speed) - mask, joint], np.less, order=7)[0]
        beats.append([index for index in found if speed[index + mask, joint] > 0.3])
    return beats


def released_alignment(onsets_s: np.ndarray, beats_s: np.ndarray, sigma_s: float = 0.3) -> float:
    """The inner one of two loops, over joints and onsets: every onset looks at all beats of the joint."""
    total = 0.0
    for onset in onsets_s:
        total += np.exp(-np.min((onset - beats_s) ** 2) / (2 * sigma_s**2))
    return total / len(onsets_s)


def test_bc_extrema(versus, store, positions):
    """The same 13 joints on both sides."""
    speed = relative_speed(positions[:, pose_channels(UPPER)], store.mean_speed[list(UPPER)])
    config = BeatConsistencyConfig()
    ours = [list(np.flatnonzero(joint)) for joint in motion_beats(speed, config).T]
    assert ours == released_beats(speed, config.edge)
    assert sum(map(len, ours)) > 100
    assert versus(lambda: motion_beats(speed, config), lambda: released_beats(speed, config.edge), rounds=20) >= 10


def test_bc_motion_beats(versus, store, positions):
    """From positions to beats; the released code finds those of all 55 joints and uses 13."""
    config, upper_speed = BeatConsistencyConfig(), store.mean_speed[list(UPPER)]

    def ours() -> np.ndarray:
        return motion_beats(relative_speed(positions[:, pose_channels(UPPER)], upper_speed), config)

    def released() -> list[list[int]]:
        return released_beats(released_speed(positions, store.mean_speed), config.edge)

    found = released()
    assert [list(np.flatnonzero(joint)) for joint in ours().T] == [found[joint] for joint in UPPER]
    assert versus(ours, released, rounds=20) >= 10


def test_bc_alignment(versus, store, positions, onsets_s):
    beats = motion_beats(relative_speed(positions, store.mean_speed), BeatConsistencyConfig())
    beats_s = [np.flatnonzero(beats[:, joint]) / FPS for joint in UPPER]

    def ours() -> float:
        return float(np.mean([alignment(onsets_s, joint, 0.3) for joint in beats_s]))

    def released() -> float:
        return float(np.mean([released_alignment(onsets_s, joint) for joint in beats_s]))

    assert ours() == pytest.approx(released(), abs=1e-12)
    assert versus(ours, released) >= 10


def test_bc_of_a_clip(versus, store, positions, onsets_s):
    """From positions and onsets to the score."""
    config = BeatConsistencyConfig()

    def ours() -> float:
        return beat_consistency(positions, onsets_s, store.mean_speed, config)

    def released() -> float:
        beats = released_beats(released_speed(positions, store.mean_speed), config.edge)
        return float(np.mean([released_alignment(onsets_s, np.array(beats[joint]) / FPS) for joint in UPPER]))

    assert ours() == pytest.approx(released(), abs=1e-12)
    assert versus(ours, released) >= 10


@pytest.mark.parametrize("n", [500, 1800, 20_000])
def test_frechet(versus, n):
    """From features to the distance beside means, covariances and a general matrix root, as released."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(240, 240)) / 16
    x, y = (np.tanh(rng.normal(size=(n, 240)) @ mix + shift).astype(np.float32) for shift in (0.0, 0.1))

    def released() -> float:
        a, b, shift = np.cov(x, rowvar=False), np.cov(y, rowvar=False), x.mean(0) - y.mean(0)
        return float(shift @ shift + np.trace(a) + np.trace(b) - 2 * np.trace(sqrtm(a @ b).real))

    def ours() -> float:
        return frechet_distance(Moments.of(x), Moments.of(y))

    assert ours() == pytest.approx(released(), rel=1e-6)
    versus(ours, released)


def test_frechet_from_statistics(benchmark):
    """What is left to do once clips were taken in one by one."""
    rng = np.random.default_rng(0)
    a, b = (Moments.of(rng.normal(size=(1800, 240))) for _ in range(2))
    benchmark.pedantic(lambda: frechet_distance(a, b), rounds=20, warmup_rounds=2)


def test_fgd_encoder_on_a_whole_clip(benchmark, store):
    model = new_autoencoder(0, Scale(torch.zeros(330), 1.0, 1.0)).eval()
    poses = motion(np.random.default_rng(0), MINUTE).poses
    benchmark.pedantic(lambda: clip_features(model, poses), rounds=10, warmup_rounds=1)


def scorers(store, encoder: Path, names: tuple[str, ...], mask: int) -> list:
    settings = {"fgd": {"pairing": "paired"}, "bc": {"mask": mask}}
    artifacts = {"fgd": encoder}
    return [
        get_evaluator(name)(get_evaluator(name).Config(**settings.get(name, {})), store, artifacts.get(name))
        for name in names
    ]


def test_speaker_2_test_set(benchmark, store, encoder):
    """15 clips, 16 minutes, in one process: FGD, BC, L1div, MPJPE."""
    pairs = [(motion(np.random.default_rng(1000 + k), MINUTE), clip(k, MINUTE)) for k in range(15)]

    def score() -> dict[str, float]:
        metrics = scorers(store, encoder, ("fgd", "bc", "l1div", "mpjpe"), mask=60)
        seconds = {metric.name: 0.0 for metric in metrics}
        for prediction, captured in pairs:
            for metric in metrics:
                seconds[metric.name] += timed(lambda metric=metric, p=prediction, c=captured: metric.update(p, c))
        for metric in metrics:
            seconds[metric.name] += timed(metric.compute)
        return seconds

    score()
    seconds = benchmark.pedantic(score, rounds=1)
    benchmark.extra_info |= {f"{name}_s": value for name, value in seconds.items()}
    benchmark.extra_info |= {"total_s": sum(seconds.values())}
    assert sum(seconds.values()) < 20


@pytest.mark.parametrize("clips", [15, 150, 1500])
def test_time_is_linear_and_memory_constant(benchmark, store, encoder, clips):
    """FGD, BC and L1div over clips of 96 frames, made one by one: processor time, and growth of the process's peak
    memory meanwhile."""
    metrics = scorers(store, encoder, ("fgd", "bc", "l1div"), mask=10)
    evaluate(metrics, 3)  # the encoder is loaded, memory touched
    before = peak_mib()
    seconds = benchmark.pedantic(lambda: evaluate(metrics, clips), rounds=1)
    benchmark.extra_info |= {"ms_per_clip": 1e3 * seconds / clips, "peak_growth_mib": peak_mib() - before}
    assert benchmark.extra_info["peak_growth_mib"] < 32


def evaluate(metrics: list, clips: int) -> float:
    """Seconds of processor time of scoring, without the making of the clips."""
    seconds = 0.0
    for metric in metrics:
        metric.reset()
    for number in range(clips):
        prediction, captured = motion(np.random.default_rng(10_000 + number), 96), clip(number, 96)
        start = time.process_time()
        for metric in metrics:
            metric.update(prediction, captured)
        seconds += time.process_time() - start
    start = time.process_time()
    for metric in metrics:
        metric.compute()
    return seconds + time.process_time() - start


def timed(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
