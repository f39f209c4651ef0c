"""Where a body is looked at from: an orthographic camera that does not move.

Legend: x to the right, y up, z towards the camera in metres; in pixels y goes down from the picture's top.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gesturebench.common.errors import InputError

WIDE_M, HIGH_M = 1.5, 1.9
"""The least that is in the picture: a standing body with its arms half raised."""
_ROOM_M = 0.16
"""Around the joints: radius of the head, finger tips."""
SMALLEST, LARGEST = 64, 2160


@dataclass(frozen=True)
class Camera:
    """`centre` (x, y) metres is in the middle of the picture of `size` (width, height) pixels, `scale` pixels per
    metre; `yaw` radians that the camera stands to the subject's left of straight ahead."""

    size: tuple[int, int]
    centre: tuple[float, float]
    scale: float
    yaw: float = 0.0

    @classmethod
    def around(cls, positions: Sequence[np.ndarray], size: tuple[int, int], yaw: float = 0.0) -> "Camera":
        """The camera that has every joint of several motions (T, J, 3) in the picture, so that they look alike."""
        checked_size(size)
        seen = np.concatenate([turned(p, yaw)[..., :2].reshape(-1, 2) for p in positions])
        low, high = seen.min(0) - _ROOM_M, seen.max(0) + _ROOM_M
        wide, tall = np.maximum(high - low, (WIDE_M, HIGH_M))
        x, y = (low + high) / 2
        return cls(size, (float(x), float(y)), float(min(size[0] / wide, size[1] / tall)), yaw)

    def project(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) metres -> (..., 3) pixels: right, down, and nearer to the camera."""
        x, y, z = np.moveaxis(turned(points, self.yaw), -1, 0)
        right = self.size[0] / 2 + self.scale * (x - self.centre[0])
        down = self.size[1] / 2 - self.scale * (y - self.centre[1])
        return np.stack((right, down, self.scale * z), -1)


def turned(points: np.ndarray, yaw: float) -> np.ndarray:
    """(..., 3) seen from a camera that stands `yaw` radians to the left of the subject.

    >>> turned(np.array([0.0, 1.0, 2.0]), np.pi / 2).round(6) + 0.0
    array([-2.,  1.,  0.])
    """
    c, s = np.cos(yaw), np.sin(yaw)
    return points @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]).T


def checked_size(size: tuple[int, int]) -> tuple[int, int]:
    """Encoders halve colours in both directions, so sides are even."""
    if any(side % 2 or not SMALLEST <= side <= LARGEST for side in size):
        raise InputError(
            f"a picture of {size[0]} x {size[1]} pixels", expected=f"even sides from {SMALLEST} to {LARGEST}"
        )
    return size
