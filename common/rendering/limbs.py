"""The body that is drawn: a round cone per bone, as thick as people are, and a head that shows where it looks.

Legend: T frames, J 55 joints, P points (the joints and a few that move with them), C cones.
"""

from dataclasses import dataclass

import numpy as np

from gesturebench.common.motion.skeleton import JOINT, N_JOINTS

CLOTH, DARK_CLOTH, SKIN, FEATURE = (74, 104, 145), (58, 64, 80), (232, 190, 150), (48, 44, 44)
"""Told apart by lightness alone, also in grey and by the colour-blind: hands and face are bright before a dark body."""

_IN_HEAD = {
    "skull_back": (0.0, 0.085, 0.005), "skull_front": (0.0, 0.06, 0.035), "nose": (0.0, 0.035, 0.115),
    "left_brow": (0.036, 0.068, 0.104), "right_brow": (-0.036, 0.068, 0.104),
}  # fmt: skip
"""Metres from the head joint in the rest pose: +x the subject's left, y up, z forward."""
_FINGERS = ("index", "middle", "ring", "pinky", "thumb")
_SIDES = ("left", "right")
_TIPS = tuple(f"{side}_{finger}" for side in _SIDES for finger in _FINGERS)
_POINTS = JOINT | {name: N_JOINTS + i for i, name in enumerate((*_IN_HEAD, *(f"{tip}_tip" for tip in _TIPS)))}
_TIP_SHARE = 0.8
"""Of the bone before it: the last bone of a finger."""


@dataclass(frozen=True)
class Cones:
    """`ends` (C, 2) numbers of points, `radii` (C, 2) metres at them, `colours` (C, 3) 0 to 255."""

    ends: np.ndarray
    radii: np.ndarray
    colours: np.ndarray


def body_points(positions_TJ3: np.ndarray, rest_J3: np.ndarray) -> np.ndarray:
    """(T, P, 3): the joints, points of the head, finger tips. `rest_J3` are the joints of the unposed body."""
    head = positions_TJ3[:, JOINT["head"], None]
    in_rest = np.array(list(_IN_HEAD.values())) @ _head_axes(rest_J3[None])[0]
    of_head = head + in_rest @ np.swapaxes(_head_axes(positions_TJ3), 1, 2)
    last, before = ([JOINT[f"{tip}{k}"] for tip in _TIPS] for k in (3, 2))
    tips = positions_TJ3[:, last] + _TIP_SHARE * (positions_TJ3[:, last] - positions_TJ3[:, before])
    return np.concatenate((positions_TJ3, of_head, tips), 1)


def _head_axes(positions_TJ3: np.ndarray) -> np.ndarray:
    """(T, 3, 3): columns are axes that turn with the head, which eyes and head joint carry."""
    head, left, right = (positions_TJ3[:, JOINT[name]] for name in ("head", "left_eye", "right_eye"))
    across = _unit(left - right)
    between = (left + right) / 2 - head
    ahead = _unit(between - (between * across).sum(-1, keepdims=True) * across)
    return np.stack((across, np.cross(ahead, across), ahead), -1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def body_cones() -> Cones:
    """What is drawn between the points of `body_points`; radii are those of a slim adult."""
    found = [*_trunk(), *_head()]
    for side in _SIDES:
        found += [*_limbs(side), *_hand(side)]
    ends = np.array([(_POINTS[a], _POINTS[b]) for a, b, *_ in found])
    return Cones(ends, np.array([radii for *_, radii, _ in found]), np.array([colour for *_, colour in found], float))


_Cone = tuple[str, str, tuple[float, float], tuple[int, int, int]]


def _trunk() -> list[_Cone]:
    return [
        ("pelvis", "spine1", (0.125, 0.12), DARK_CLOTH), ("spine1", "spine3", (0.12, 0.138), CLOTH),
        ("spine3", "neck", (0.138, 0.065), CLOTH), ("left_shoulder", "right_shoulder", (0.062, 0.062), CLOTH),
        ("left_hip", "right_hip", (0.088, 0.088), DARK_CLOTH), ("neck", "head", (0.05, 0.048), SKIN),
    ]  # fmt: skip


def _head() -> list[_Cone]:
    return [
        ("skull_back", "skull_front", (0.102, 0.088), SKIN), ("nose", "skull_front", (0.017, 0.03), SKIN),
        ("left_brow", "left_brow", (0.0125, 0.0125), FEATURE), ("right_brow", "right_brow", (0.0125, 0.0125), FEATURE),
    ]  # fmt: skip


def _limbs(side: str) -> list[_Cone]:
    chain = [
        ("shoulder", "elbow", (0.055, 0.045), CLOTH), ("elbow", "wrist", (0.044, 0.031), CLOTH),
        ("hip", "knee", (0.085, 0.058), DARK_CLOTH), ("knee", "ankle", (0.056, 0.042), DARK_CLOTH),
        ("ankle", "foot", (0.045, 0.036), FEATURE),
    ]  # fmt: skip
    return [(f"{side}_{a}", f"{side}_{b}", radii, colour) for a, b, radii, colour in chain]


def _hand(side: str) -> list[_Cone]:
    found: list[_Cone] = []
    for finger in _FINGERS:
        a, b, c, tip = (f"{side}_{finger}{end}" for end in ("1", "2", "3", "_tip"))
        found.append((f"{side}_wrist", a, (0.024, 0.014), SKIN))
        found += [(a, b, (0.0125, 0.011), SKIN), (b, c, (0.011, 0.01), SKIN), (c, tip, (0.01, 0.009), SKIN)]
    return found
