"""Sampling windows of latents: guided DDIM, inversion of retrieved windows, and what is done to a sample between steps.

Legend: S diffusion steps, B windows, T tokens, L latent width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gesturebench.common.diffusion import ddim
from gesturebench.common.diffusion.ddim import Predict
from gesturebench.common.diffusion.guidance import coarse_to_fine_weights, insert, iterations
from gesturebench.common.diffusion.schedule import Schedule, add_noise
from gesturebench.methods.rag_gesture.config import GuidanceConfig, SamplingConfig
from gesturebench.methods.rag_gesture.denoiser import Conditions, Denoiser

Levels = Tensor
"""(S + 1, B, T, L): entry 0 clean latents, entry i + 1 the inverted latents after diffusion index i; the last is pure
noise.
"""


class LatentSampler:
    """A denoiser with its schedule; everything that depends on the timestep alone is tabulated once. Steps are taken
    where the denoiser lives; what goes in and comes out is on the CPU."""

    def __init__(self, denoiser: Denoiser, config: SamplingConfig):
        self.schedule = Schedule.respaced(list(config.sections))
        self._denoiser, self._config = denoiser, config
        self._device = next(denoiser.parameters()).device
        with torch.no_grad():
            self._styles = [denoiser.styles(torch.tensor([t], device=self._device)) for t in self.schedule.timesteps]

    def predictor(self, told: Conditions) -> Predict:
        """Guided x0: w conditional + (1 - w) unconditional prediction; what depends on the conditions alone is formed
        once.
        """
        answers = self._denoiser.answers(told.to(self._device))
        late = self._config.late_weights

        def predict(x: Tensor, index: int) -> Tensor:
            w, rest = coarse_to_fine_weights(
                self.schedule.timesteps[index], coarse=self._config.coarse_scale, late=late
            )
            styles = self._styles[index]
            return w * self._denoiser(x, styles, answers) + rest * self._denoiser(x, styles, None)

        return predict

    @torch.no_grad()
    def invert(self, latents_BTL: Tensor, told: Conditions) -> Levels:
        """DDIM inversion of clean latents under their own conditions."""
        inverted = ddim.invert(self.predictor(told), latents_BTL.to(self._device), self.schedule)
        return torch.cat([latents_BTL[None], inverted.cpu()])

    @torch.no_grad()
    def sample(self, noise_BTL: Tensor, told: Conditions, changes: Sequence[Predict] = ()) -> Tensor:
        """Noise to latents (B, T, L); `changes` are applied in order to the state before every step."""

        def before_step(x: Tensor, index: int) -> Tensor:
            for change in changes:
                x = change(x, index)
            return x

        noise = noise_BTL.to(self._device)
        return ddim.sample(self.predictor(told), noise, self.schedule, before_step=before_step).cpu()


@dataclass(frozen=True, eq=False)
class Insertion:
    """Inverted latents at the tokens they are to appear: `levels` (S + 1, B, T, L), `mask` (B, T, 1) bool."""

    levels: Levels
    mask: Tensor

    def initialise(self, noise_BTL: Tensor) -> Tensor:
        """Latent initialisation: the start noise of the masked tokens is the fully inverted latent (Mughal et al. 2025,
        sec. 3.4).
        """
        return torch.where(self.mask, self.levels[-1], noise_BTL)

    def guidance(self, config: GuidanceConfig) -> Callable[[Tensor, int], Tensor]:
        """Insertion guidance as a change before each step."""
        counts = iterations(config.schedule, len(self.levels) - 1)
        above = int(config.target_level == "released")

        def change(x: Tensor, index: int) -> Tensor:
            target, mask = self.levels[index + above].to(x.device), self.mask.to(x.device)
            return insert(x, target, mask, counts[index], config.lr)

        return change


@dataclass(frozen=True, eq=False)
class Carry:
    """Continuity: the end of the previous window stands at the start of this one (outpainting; Lugmayr et al. 2022).

    `latents` (B, T, L) clean, `mask` (B, T, 1) bool, `noise` (S, B, T, L) fresh for every step.
    """

    latents: Tensor
    mask: Tensor
    noise: Tensor
    schedule: Schedule

    def __call__(self, x: Tensor, index: int) -> Tensor:
        noised = add_noise(self.latents, self.noise[index], float(self.schedule.alpha_bar[index]))
        return torch.where(self.mask.to(x.device), noised.to(x.device), x)
