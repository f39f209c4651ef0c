"""Noise schedules and the timesteps a sampler visits. Constants are float64 and cast at the point of use."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.errors import InputError


def scaled_linear_betas(steps: int = 1000, start: float = 0.00085, end: float = 0.012) -> np.ndarray:
    """Squares of evenly spaced values from sqrt(start) to sqrt(end) (Rombach et al. 2022)."""
    return np.linspace(start**0.5, end**0.5, steps, dtype=np.float64) ** 2


def section_timesteps(steps: int, counts: list[int]) -> list[int]:
    """`steps` cut into equal sections with `counts` evenly spread timesteps each (Dhariwal & Nichol 2021), ascending.

    >>> section_timesteps(1000, [15, 15, 8, 6, 6])[:4]
    [0, 14, 28, 43]
    """
    size, extra = divmod(steps, len(counts))
    chosen, start = [], 0
    for index, count in enumerate(counts):
        length = size + (index < extra)
        if not 1 <= count <= length:
            raise InputError(
                f"respacing {counts}: section {index} has {length} steps",
                expected=f"a count from 1 to {length}, not {count}",
            )
        stride = 1.0 if count == 1 else (length - 1) / (count - 1)
        position = 0.0  # accumulated, as released: rounding of the running sum decides some timesteps
        for _ in range(count):
            chosen.append(start + round(position))
            position += stride
        start += length
    return chosen


@dataclass(frozen=True, eq=False)
class Schedule:
    """The kept timesteps (ascending, S of `steps`) and their cumulative products alpha_bar (S,) float64."""

    timesteps: tuple[int, ...]
    alpha_bar: np.ndarray

    @classmethod
    def respaced(cls, counts: list[int], betas: np.ndarray | None = None) -> "Schedule":
        betas = scaled_linear_betas() if betas is None else betas
        timesteps = section_timesteps(len(betas), counts)
        return cls(tuple(timesteps), np.cumprod(1.0 - betas)[timesteps])

    def __len__(self) -> int:
        return len(self.timesteps)

    def previous(self, index: int) -> float:
        """alpha_bar one step cleaner; 1 below the first."""
        return float(self.alpha_bar[index - 1]) if index > 0 else 1.0

    def next(self, index: int) -> float:
        """alpha_bar one step noisier; 0 above the last, where a sample is its own noise."""
        return float(self.alpha_bar[index + 1]) if index + 1 < len(self) else 0.0


def add_noise(x0: Tensor, noise: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """q(x_t | x_0): sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) noise (Ho et al. 2020, eq. 4)."""
    signal = torch.as_tensor(alpha_bar, dtype=torch.float64)
    return signal.sqrt().to(x0.dtype) * x0 + (1 - signal).sqrt().to(x0.dtype) * noise
