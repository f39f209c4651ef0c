"""What a gesture looks like to the semantic hit classifier: the arms in the body's own frame, over one stretch of time.

Legend: T frames, K samples of a segment, F channels.
"""

import numpy as np

from gesturebench.common.motion.skeleton import JOINT
from gesturebench.evaluators.pairs import FPS

SIDES = ("left", "right")
FINGERS = ("index", "middle", "pinky", "ring", "thumb")


def _side(*names: str) -> np.ndarray:
    """(2, names) joint numbers, left then right."""
    return np.array([[JOINT[f"{side}_{name}"] for name in names] for side in SIDES])


SHOULDERS, ELBOWS, WRISTS = (_side(name)[:, 0] for name in ("shoulder", "elbow", "wrist"))
KNUCKLES, TIPS = _side("index1", "middle1", "pinky1"), _side(*(f"{finger}3" for finger in FINGERS))


def arm_channels(joints: np.ndarray) -> np.ndarray:
    """Joints (T, 55, 3) metres -> (T, 30) channels that do not depend on where the body stands, where it faces, or how
    long its arms are.

    Of both sides: the wrist from its shoulder in arm lengths (6), where the hand points (6), the palm's normal (6), how
    far the five fingertips reach in arm lengths (10), and the shoulder's height over the neck in arm lengths (2).
    """
    bone = np.linalg.norm(joints[:, ELBOWS] - joints[:, SHOULDERS], axis=-1) + np.linalg.norm(
        joints[:, WRISTS] - joints[:, ELBOWS], axis=-1
    )
    arm = bone.mean()
    axes = body_axes(joints)
    wrists = joints[:, WRISTS]
    knuckles = joints[:, KNUCKLES] - wrists[:, :, None]
    channels = (
        np.einsum("tij,tsj->tsi", axes, wrists - joints[:, SHOULDERS]) / arm,
        np.einsum("tij,tsj->tsi", axes, _unit(knuckles[:, :, 1])),
        np.einsum("tij,tsj->tsi", axes, _unit(np.cross(knuckles[:, :, 0], knuckles[:, :, 2]))),
        np.linalg.norm(joints[:, TIPS] - wrists[:, :, None], axis=-1) / arm,
        (joints[:, SHOULDERS, 1] - joints[:, [JOINT["neck"]], 1]) / arm,
    )
    return np.concatenate([channel.reshape(len(joints), -1) for channel in channels], axis=1)


def body_axes(joints: np.ndarray) -> np.ndarray:
    """(T, 3, 3) rows: the body's left in the horizontal plane, up, forward."""
    left = joints[:, SHOULDERS[0]] - joints[:, SHOULDERS[1]]
    left = _unit(left * (1.0, 0.0, 1.0))
    up = np.broadcast_to((0.0, 1.0, 0.0), left.shape)
    return np.stack((left, up, np.cross(left, up)), axis=1)


def segment(channels: np.ndarray, start_s: float, end_s: float, samples: int) -> np.ndarray:
    """(T, F) -> (K, F): linear interpolation at K equally spaced times from `start_s` to `end_s`; the ends of the clip
    are held."""
    at = np.clip(np.linspace(start_s, end_s, samples) * FPS, 0, len(channels) - 1)
    lower = np.minimum(at.astype(int), max(len(channels) - 2, 0))
    upper = np.minimum(lower + 1, len(channels) - 1)
    weight = (at - lower)[:, None]
    return channels[lower] * (1 - weight) + channels[upper] * weight


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
