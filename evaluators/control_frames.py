"""Where a controlled generation is given poses, and how far from them a frame lies.

The protocol of our ExGes comparison: k control poses of the clip itself, evenly spaced; frames that were given (seed or
control) are not scored.
"""

import numpy as np

DISTANCE_BINS: dict[str, tuple[int, float]] = {
    "at_control": (0, 0),
    "1_to_5_frames": (1, 5),
    "6_to_15_frames": (6, 15),
    "beyond_15_frames": (16, np.inf),
}
"""Distances in frames to the nearest control frame, both ends counted."""


def control_indices(n_frames: int, k: int) -> np.ndarray:
    """(k,) frames floor((j + 1/2) / k x T): the middles of k equal parts.

    >>> control_indices(64, 3).tolist()
    [10, 32, 53]
    """
    return ((np.arange(k) + 0.5) / max(k, 1) * n_frames).astype(np.int64)


def free_frames(n_frames: int, k: int, seed_frames: int) -> np.ndarray:
    """(T,) bool: frames that are neither among the first `seed_frames` nor control frames."""
    free = np.arange(n_frames) >= seed_frames
    free[control_indices(n_frames, k)] = False
    return free


def control_distance(n_frames: int, k: int) -> np.ndarray:
    """(T,) frames to the nearest of k > 0 control frames."""
    return np.abs(np.arange(n_frames)[:, None] - control_indices(n_frames, k)).min(1)
