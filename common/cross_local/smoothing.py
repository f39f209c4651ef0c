"""The filter that DiffuseStyleGesture runs over its motion."""

import torch
from torch import Tensor

FRAMES, ORDER = 15, 2


def smoothed(features_TF: Tensor) -> Tensor:
    """(T, F): each frame is that of the parabola through the 15 around it (Savitzky & Golay 1964); of fewer frames as
    many as there are, made odd."""
    from scipy.signal import savgol_filter

    length = min(FRAMES, len(features_TF) - 1 + len(features_TF) % 2)
    if length <= ORDER:
        return features_TF
    return torch.from_numpy(savgol_filter(features_TF.numpy(), length, ORDER, axis=0))
