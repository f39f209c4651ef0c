"""The 36 gestures: paths of the wrist, hand shape, palm, and what head and shoulders add.

Positions are (outward, up, forward) in arm lengths from the shoulder of the dominant hand's side. Every path is one
stroke of minimum jerk.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Hands = Literal["one", "mirror", "alternate"]
"""`one`: dominant hand; `mirror`: both alike; `alternate`: the second hand runs the path backwards."""

Point = tuple[float, float, float]

SHAPES: dict[str, tuple[float, float, float, float, float, float]] = {
    "rest": (0.28, 0.32, 0.34, 0.36, 0.25, 0.03), "open": (0.08, 0.06, 0.08, 0.10, 0.05, 0.10),
    "flat": (0.02, 0.02, 0.02, 0.03, 0.15, 0.0),
    "fist": (1.25, 1.30, 1.30, 1.30, 0.60, 0.0), "point": (0.02, 1.20, 1.25, 1.25, 0.55, 0.0),
    "two": (0.02, 0.02, 1.25, 1.25, 0.60, 0.14),
    "three": (0.02, 0.02, 0.05, 1.20, 0.60, 0.14), "five": (0.0, 0.0, 0.0, 0.0, 0.0, 0.20),
    "pinch": (0.75, 0.55, 0.45, 0.40, 0.50, 0.02),
    "cup": (0.45, 0.45, 0.45, 0.45, 0.30, 0.05),
}  # fmt: skip
"""Curl (radians at the first knuckle) of index, middle, ring, pinky, thumb, and spread between fingers."""

UP, SIDE, DOWN, OUT = 1.9, 0.8, 0.0, -0.7
"""Supination of the palm in radians: facing up, inward, down, forward/outward."""


@dataclass(frozen=True, eq=False)
class Template:
    """`path` (K, 3), which hands, stroke duration, hand shape, palm supination.

    `head` (pitch, yaw, roll) and `shoulders` (lift) are what the rest of the body adds; angles in radians.
    """

    path: np.ndarray
    hands: Hands
    duration_s: float
    shape: str = "open"
    palm: float = SIDE
    head: Point = (0.0, 0.0, 0.0)
    shoulders: float = 0.0


def _line(*points: Point) -> np.ndarray:
    return np.asarray(points, dtype=float)


def _loop(
    centre: Point, radius: float, plane: Literal["frontal", "sagittal", "level"], turns: float = 1.0
) -> np.ndarray:
    """A circle seen from the front, from the side (rolling forward), or from above."""
    angle = 2 * np.pi * turns * np.linspace(0, 1, int(24 * turns) + 1)
    first, second = radius * np.cos(angle), radius * np.sin(angle)
    zero = np.zeros_like(angle)
    offsets = {"frontal": (second, first, zero), "sagittal": (zero, first, second), "level": (first, zero, second)}
    return np.asarray(centre) + np.stack(offsets[plane], -1)


TEMPLATES: dict[str, Template] = {
    "iconic:big": Template(_line((-0.15, -0.35, 0.55), (0.35, -0.25, 0.55)), "mirror", 0.55),
    "iconic:small": Template(_line((0.08, -0.28, 0.50), (-0.20, -0.28, 0.50)), "mirror", 0.50, "pinch"),
    "iconic:tall": Template(
        _line((0.05, -0.55, 0.45), (0.10, 0.35, 0.50)), "one", 0.70, "flat", DOWN, head=(-0.10, 0, 0)
    ),
    "iconic:wide": Template(_line((-0.20, -0.05, 0.55), (0.60, -0.02, 0.38)), "mirror", 0.70, "flat", OUT),
    "iconic:round": Template(_loop((-0.02, -0.22, 0.55), 0.25, "frontal"), "one", 0.95, "cup"),
    "iconic:flat": Template(_line((-0.35, -0.55, 0.45), (0.40, -0.55, 0.45)), "one", 0.60, "flat", DOWN),
    "iconic:count2": Template(
        _line((0.10, 0.02, 0.42), (0.10, -0.10, 0.45), (0.10, 0.02, 0.42), (0.10, -0.10, 0.45)), "one", 0.60, "two", OUT
    ),
    "iconic:count3": Template(
        _line(
            (-0.12, 0.0, 0.45),
            (-0.08, -0.12, 0.48),
            (0.08, 0.0, 0.45),
            (0.12, -0.12, 0.48),
            (0.28, 0.0, 0.45),
            (0.32, -0.12, 0.48),
        ),
        "one",
        0.85,
        "three",
        OUT,
    ),
    "iconic:count5": Template(_line((0.05, -0.05, 0.35), (0.10, 0.08, 0.72)), "one", 0.50, "five", OUT),
    "iconic:swim": Template(
        _line((0.05, -0.15, 0.32), (0.08, 0.08, 0.70), (0.32, -0.30, 0.52), (0.15, -0.45, 0.32)),
        "alternate",
        0.95,
        "flat",
        DOWN,
    ),
    "iconic:climb": Template(
        _line((0.05, -0.38, 0.48), (0.05, 0.30, 0.55)), "alternate", 0.75, "fist", DOWN, head=(-0.08, 0, 0)
    ),
    "iconic:stir": Template(
        _loop((-0.10, -0.50, 0.45), 0.13, "level", 2), "one", 0.95, "fist", DOWN, head=(0.08, 0, 0)
    ),
    "iconic:spin": Template(_loop((0.18, 0.25, 0.42), 0.12, "level", 2), "one", 0.85, "point", DOWN),
    "iconic:read": Template(
        _line((-0.15, -0.42, 0.42), (0.08, -0.30, 0.46)), "mirror", 0.60, "flat", UP, head=(0.15, 0, 0)
    ),
    "iconic:pedal": Template(_loop((0.08, -0.52, 0.42), 0.16, "sagittal", 1.5), "alternate", 0.90, "fist", DOWN),
    "iconic:wave": Template(
        _line((0.28, 0.28, 0.36), (0.55, 0.25, 0.36), (0.28, 0.28, 0.36), (0.55, 0.25, 0.36)), "one", 0.90, "open", OUT
    ),
    "iconic:brush": Template(
        _line((-0.20, 0.05, 0.58), (0.25, 0.05, 0.58), (-0.20, -0.08, 0.58), (0.25, -0.08, 0.58)),
        "one",
        0.85,
        "pinch",
        DOWN,
    ),
    "deictic:far": Template(
        _line((0.05, -0.22, 0.42), (0.38, 0.12, 0.80)), "one", 0.45, "point", DOWN, head=(-0.05, 0.30, 0)
    ),
    "deictic:near": Template(
        _line((0.02, -0.15, 0.48), (0.02, -0.58, 0.52)), "one", 0.42, "point", DOWN, head=(0.18, 0.05, 0)
    ),
    "deictic:you": Template(_line((0.0, -0.42, 0.35), (-0.08, -0.12, 0.88)), "one", 0.45, "open", UP),
    "deictic:self": Template(
        _line((0.0, -0.42, 0.48), (-0.25, -0.30, 0.22)), "one", 0.45, "flat", SIDE, head=(0.05, 0, 0)
    ),
    "metaphoric:shrug": Template(
        _line((0.0, -0.50, 0.42), (0.40, -0.46, 0.42)), "mirror", 0.50, "open", UP, head=(0, 0, 0.12), shoulders=0.20
    ),
    "metaphoric:cycle": Template(_loop((0.05, -0.28, 0.50), 0.15, "sagittal", 2), "one", 0.95, "open", SIDE),
    "metaphoric:contrast": Template(
        _line((-0.30, -0.35, 0.50), (0.30, -0.35, 0.50)), "one", 0.45, "flat", SIDE, head=(0, 0.12, 0)
    ),
    "metaphoric:concession": Template(
        _line((0.10, 0.02, 0.58), (0.15, -0.48, 0.36)), "one", 0.50, "open", OUT, head=(0.05, 0, -0.10)
    ),
    "metaphoric:reason": Template(_line((0.25, -0.25, 0.78), (-0.10, -0.42, 0.32)), "one", 0.50, "cup", UP),
    "metaphoric:result": Template(
        _line((-0.05, -0.38, 0.32), (0.0, -0.28, 0.80)), "mirror", 0.50, "open", SIDE, head=(0.10, 0, 0)
    ),
    "metaphoric:condition": Template(
        _line((0.10, -0.58, 0.40), (0.28, -0.15, 0.45)), "one", 0.50, "cup", UP, head=(0, 0, 0.10)
    ),
    "metaphoric:conjunction": Template(
        _line((-0.15, -0.30, 0.50), (-0.05, -0.10, 0.52), (0.15, -0.05, 0.52), (0.32, -0.28, 0.50)),
        "one",
        0.55,
        "open",
        SIDE,
    ),
    "metaphoric:disjunction": Template(
        _line((-0.25, -0.32, 0.50), (-0.25, -0.50, 0.50), (0.0, -0.22, 0.50), (0.25, -0.30, 0.50), (0.25, -0.50, 0.50)),
        "one",
        0.75,
        "flat",
        SIDE,
    ),
    "metaphoric:instantiation": Template(
        _line((0.0, 0.05, 0.50), (0.0, -0.48, 0.55)), "one", 0.40, "flat", SIDE, head=(0.10, 0, 0)
    ),
    "metaphoric:detail": Template(
        _line((-0.05, -0.12, 0.34), (-0.05, -0.20, 0.46), (-0.05, -0.08, 0.52), (-0.05, -0.20, 0.64)),
        "one",
        0.70,
        "pinch",
        DOWN,
    ),
    "metaphoric:substitution": Template(
        _line((-0.25, -0.30, 0.45), (0.0, -0.20, 0.55), (0.30, -0.30, 0.45)), "alternate", 0.60, "flat", SIDE
    ),
    "metaphoric:precedence": Template(
        _line((-0.30, -0.48, 0.42), (-0.05, -0.05, 0.52), (0.38, -0.48, 0.42)), "one", 0.65, "open", DOWN
    ),
    "metaphoric:succession": Template(
        _line((0.10, -0.30, 0.50), (0.28, 0.22, 0.15)), "one", 0.55, "open", SIDE, head=(-0.05, 0.15, 0)
    ),
    "metaphoric:synchronous": Template(_line((0.05, -0.05, 0.50), (0.05, -0.52, 0.50)), "mirror", 0.50, "flat", SIDE),
}
"""Tag -> template; the tags are exactly those of the lexicon."""
