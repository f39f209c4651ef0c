"""Where a controlled generation was given poses, and how far from them a frame lies.

The protocol of our ExGes comparison: k control poses of the clip itself, evenly spaced; frames that were given (seed or
control) are not scored. Legend: T frames, k of them given.
"""

import numpy as np

from gesturebench.common.corpus.given import control_indices

__all__ = ["DISTANCE_BINS", "control_distance", "control_indices", "free_frames"]

DISTANCE_BINS: dict[str, tuple[int, float]] = {
    "at_control": (0, 0),
    "1_to_5_frames": (1, 5),
    "6_to_15_frames": (6, 15),
    "beyond_15_frames": (16, np.inf),
}
"""Distances in frames to the nearest control frame, both ends counted."""


def free_frames(n_frames: int, control_k: np.ndarray, seed_frames: int) -> np.ndarray:
    """(T,) bool: frames that are neither among the first `seed_frames` nor control frames."""
    free = np.arange(n_frames) >= seed_frames
    free[control_k] = False
    return free


def control_distance(n_frames: int, control_k: np.ndarray) -> np.ndarray:
    """(T,) frames to the nearest of k > 0 control frames."""
    return np.abs(np.arange(n_frames)[:, None] - control_k).min(1)
