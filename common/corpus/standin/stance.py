"""Standing: a pelvis that sways over planted feet, an occasional step, knees that follow."""

from dataclasses import dataclass

import numpy as np

from gesturebench.common.corpus.standin.curves import FPS, minimum_jerk, smooth, smooth_noise
from gesturebench.common.corpus.standin.limbs import about, rotations, two_bone, vectors
from gesturebench.common.corpus.standin.scene import Scene
from gesturebench.common.motion.skeleton import JOINT

STEP_PAUSE_S, STEP_S, STEP_LIFT_M = (6.0, 16.0), 0.5, 0.04
BREATH_S = 4.0
_FOOT_HEIGHT_M = 0.022
_STRAIGHT_KNEE, _STANDING_KNEE = 0.999, 0.992
"""Leg length in thigh plus shank: the most that is allowed, and what standing uses."""


@dataclass(frozen=True, slots=True)
class Step:
    """One foot moves to a new place on the floor, metres (x, z), between two times."""

    foot: str
    start_s: float
    end_s: float
    x: float
    z: float


@dataclass(frozen=True, eq=False)
class Lower:
    """Root translation (T, 3); axis-angle (T, 3) of pelvis, hips, knees and ankles by joint number; the steps made."""

    trans: np.ndarray
    joints: dict[int, np.ndarray]
    steps: tuple[Step, ...]


def stand(scene: Scene, rest: np.ndarray, rng: np.random.Generator) -> Lower:
    """`rest` (55, 3): rest joints of this speaker's body."""
    home = abs(float(rest[JOINT["left_ankle"], 0])) + scene.style.stance
    steps = _plan_steps(home, scene.duration_s, rng)
    feet = {
        side: _foot_path(side, sign * home, steps, rest, scene.n_frames) for side, sign in (("left", 1), ("right", -1))
    }
    pelvis = _pelvis_path(feet, rest, scene.n_frames, rng)
    sway = smooth_noise(rng, scene.n_frames, 3, 50) * (0.015, 0.05, 0.012)
    lean = 0.3 * (scene.style.lean + scene.mood.lean)
    turn = rotations(sway + np.array([lean, 0.0, 0.0]))
    legs = _leg("left", 1.0, feet["left"], pelvis, turn, rest) | _leg("right", -1.0, feet["right"], pelvis, turn, rest)
    return Lower(pelvis - rest[0], {JOINT["pelvis"]: vectors(turn)} | legs, steps)


def _plan_steps(home: float, duration_s: float, rng: np.random.Generator) -> tuple[Step, ...]:
    steps, time = [], rng.uniform(*STEP_PAUSE_S) / 2
    side = int(rng.integers(2))
    while time + STEP_S < duration_s:
        x = (home, -home)[side] + np.clip(rng.normal(0, 0.03), -0.04, 0.06)
        z = np.clip(rng.normal(0, 0.05), -0.1, 0.1)
        steps.append(Step(("left", "right")[side], time, time + STEP_S, float(x), float(z)))
        time += rng.uniform(*STEP_PAUSE_S)
        side = 1 - side
    return tuple(steps)


def _foot_path(side: str, home: float, steps: tuple[Step, ...], rest: np.ndarray, n_frames: int) -> np.ndarray:
    """(T, 3) ankle positions: planted, or on the way of a step."""
    times = np.arange(n_frames) / FPS
    height = _ankle_height(side, rest)
    path = np.tile([home, height, 0.0], (n_frames, 1))
    for step in (s for s in steps if s.foot == side):
        u = minimum_jerk((times - step.start_s) / (step.end_s - step.start_s))[:, None]
        path = path + u * (np.array([step.x, height, step.z]) - path)
        path[:, 1] += STEP_LIFT_M * 4 * (u * (1 - u))[:, 0]
    return path


def _ankle_height(side: str, rest: np.ndarray) -> float:
    return float(rest[JOINT[f"{side}_ankle"], 1] - rest[JOINT[f"{side}_foot"], 1]) + _FOOT_HEIGHT_M


def _pelvis_path(feet: dict[str, np.ndarray], rest: np.ndarray, n_frames: int, rng: np.random.Generator) -> np.ndarray:
    """(T, 3): between the feet, swaying a few centimetres, breathing, low enough that both feet are within reach."""
    ground = smooth((feet["left"] + feet["right"]) / 2, 12)
    sway = smooth_noise(rng, n_frames, 3, 75) * (0.025, 0.0, 0.015)
    hip, ankle = rest[JOINT["left_hip"]], rest[JOINT["left_ankle"]]
    height = _ankle_height("left", rest) + _STANDING_KNEE * np.linalg.norm(hip - ankle) + rest[0, 1] - hip[1]
    breathing = 0.003 * np.sin(2 * np.pi * np.arange(n_frames) / (BREATH_S * FPS))
    path = ground + sway
    path[:, 1] = height - 0.004 + breathing
    return path


def _leg(
    side: str, sign: float, ankle: np.ndarray, pelvis: np.ndarray, turn: np.ndarray, rest: np.ndarray
) -> dict[int, np.ndarray]:
    hip_joint, knee_joint, ankle_joint = (JOINT[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
    hip = pelvis + turn @ (rest[hip_joint] - rest[0])
    thigh_length = float(np.linalg.norm(rest[knee_joint] - rest[hip_joint]))
    shank_length = float(np.linalg.norm(rest[ankle_joint] - rest[knee_joint]))
    forward = np.broadcast_to(np.array([0.15 * sign, 0.0, 1.0]), ankle.shape)
    down, across = np.array([0.0, -1.0, 0.0]), np.array([1.0, 0.0, 0.0])
    thigh, bend = two_bone(ankle - hip, forward, (thigh_length, shank_length), down, across, longest=_STRAIGHT_KNEE)
    knee = about(across, bend)
    foot = about(np.array([0.0, 1.0, 0.0]), np.full(len(ankle), 0.12 * sign))
    return {
        hip_joint: vectors(np.swapaxes(turn, 1, 2) @ thigh),
        knee_joint: vectors(knee),
        ankle_joint: vectors(np.swapaxes(thigh @ knee, 1, 2) @ foot),
    }
