"""Frame rates: 30 -> 15 fps by leaving frames out, and back by linear interpolation of 6D rotations."""

from dataclasses import replace
from math import isclose
from typing import Literal

import numpy as np

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import N_JOINTS

Placement = Literal["aligned", "half_pixel", "end_to_end"]
"""Where output frame i of n k lies among the n input frames.

`aligned`: i / k, the inverse of leaving frames out: frames that were kept come back untouched. `half_pixel`:
(i + 1/2) / k - 1/2, what RAG-Gesture's export does (interpolation without aligned corners); lags `aligned` by
(k - 1) / (2 k) input frames. `end_to_end`: i (n - 1) / (n k - 1), EMAGE's numpy variant; stretches the motion so that
the last frames coincide.
"""


def decimate(motion: Motion, fps: float) -> Motion:
    """Every k-th frame, k = motion.fps / fps, without a filter; frame 0 stays."""
    stride = _whole_ratio(motion.fps, fps)
    frames = slice(None, None, stride)
    return replace(
        motion, poses=motion.poses[frames], expressions=motion.expressions[frames], trans=motion.trans[frames], fps=fps
    )


def upsample(motion: Motion, fps: float, n_frames: int | None = None, placement: Placement = "aligned") -> Motion:
    """`motion` at k times its rate, linear in 6D, expressions and translation.

    The result has k T frames, or exactly `n_frames`: cut, or continued with the last frame.
    """
    import torch

    from gesturebench.common.motion.rotations import axis_angle_from_6d, axis_angle_to_6d

    factor = _whole_ratio(fps, motion.fps)
    positions = frame_positions(motion.n_frames, factor, placement)
    n_frames = len(positions) if n_frames is None else n_frames
    positions = positions[np.minimum(np.arange(n_frames), len(positions) - 1)]
    six = axis_angle_to_6d(torch.from_numpy(np.array(motion.poses)).unflatten(-1, (N_JOINTS, 3))).flatten(-2)
    between = torch.from_numpy(interpolated(six.numpy(), positions)).unflatten(-1, (N_JOINTS, 6))
    return replace(
        motion,
        poses=axis_angle_from_6d(between).flatten(-2).numpy(),
        expressions=interpolated(motion.expressions, positions),
        trans=interpolated(motion.trans, positions),
        fps=fps,
    )


def frame_positions(n: int, factor: int, placement: Placement) -> np.ndarray:
    """(n factor,) places among n input frames, in [0, n - 1].

    >>> frame_positions(3, 2, "half_pixel")
    array([0.  , 0.25, 0.75, 1.25, 1.75, 2.  ])
    """
    out = np.arange(n * factor, dtype=np.float64)
    placed = {
        "aligned": out / factor,
        "half_pixel": (out + 0.5) / factor - 0.5,
        "end_to_end": np.linspace(0, n - 1, n * factor),
    }
    return placed[placement].clip(0, n - 1)


def interpolated(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """(T, C) at fractional rows `positions` (N,) -> (N, C) in the precision of `values`."""
    before = np.floor(positions).astype(np.int64)
    after = np.minimum(before + 1, len(values) - 1)
    share = (positions - before).astype(values.dtype)[:, None]
    return values[before] * (1 - share) + values[after] * share


def _whole_ratio(high: float, low: float) -> int:
    ratio = round(high / low)
    if ratio < 1 or not isclose(ratio * low, high):
        raise InputError(
            f"{high:g} and {low:g} frames per second",
            expected="rates with a whole ratio",
            remedy="resample in two steps",
        )
    return ratio
