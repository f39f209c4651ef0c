"""Noise schedules and the timesteps a sampler visits. Constants are float64 and cast at the point of use."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.diffusion.respacing import kept_timesteps


def scaled_linear_betas(steps: int = 1000, start: float = 0.00085, end: float = 0.012) -> np.ndarray:
    """Squares of evenly spaced values from sqrt(start) to sqrt(end) (Rombach et al. 2022)."""
    return np.linspace(start**0.5, end**0.5, steps, dtype=np.float64) ** 2


def linear_betas(steps: int = 1000, start: float = 1e-4, end: float = 0.02) -> np.ndarray:
    """Evenly spaced from start to end (Ho et al. 2020)."""
    return np.linspace(start, end, steps, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Schedule:
    """The kept timesteps (ascending, S of `steps`) and their cumulative products alpha_bar (S,) float64."""

    timesteps: tuple[int, ...]
    alpha_bar: np.ndarray

    @classmethod
    def respaced(cls, spacing: Sequence[int] | str, betas: np.ndarray | None = None) -> "Schedule":
        """The timesteps of `respacing.kept_timesteps`; what is left out takes its noise along (alpha_bar stays)."""
        betas = scaled_linear_betas() if betas is None else betas
        kept = kept_timesteps(spacing, len(betas))
        return cls(tuple(kept), np.cumprod(1.0 - betas)[kept])

    def __len__(self) -> int:
        return len(self.timesteps)

    @property
    def betas(self) -> np.ndarray:
        """(S,) what each kept timestep adds to the one before it: beta_i = 1 - alpha_bar_i / alpha_bar_(i-1)."""
        return 1.0 - self.alpha_bar / np.append(1.0, self.alpha_bar[:-1])

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
