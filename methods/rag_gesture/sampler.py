"""Sampling windows of latents: guided DDIM, and inversion of retrieved windows.

Legend: S diffusion steps, B windows, T tokens, L latent width.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from gesturebench.common.diffusion import ddim
from gesturebench.common.diffusion.ddim import Predict
from gesturebench.common.diffusion.guidance import coarse_to_fine_weights, mixed
from gesturebench.common.diffusion.mixture import ConditionMixture
from gesturebench.common.diffusion.schedule import Schedule
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.methods.rag_gesture.branches import Branches, Told
from gesturebench.methods.rag_gesture.config import ComputeConfig, PartScales, SamplingConfig
from gesturebench.methods.rag_gesture.denoiser import Conditions, Denoiser
from gesturebench.methods.rag_gesture.layout import TokenLayout
from gesturebench.methods.rag_gesture.mixing import mixed_step, two_branches
from gesturebench.methods.rag_gesture.steering import Levels


class LatentSampler:
    """A denoiser with its schedule; everything that depends on the timestep alone is tabulated once. Steps are taken
    where the denoiser lives; what goes in and comes out is on the CPU."""

    def __init__(
        self,
        denoiser: Denoiser,
        config: SamplingConfig,
        compute: ComputeConfig | None = None,
        mixture: ConditionMixture | None = None,
    ):
        """`mixture` takes the place of the weights of `config`."""
        self.schedule = Schedule.respaced(config.sections)
        self._branches = Branches(denoiser, self.schedule.timesteps, compute)
        self._device = next(denoiser.parameters()).device
        self._weights = [
            coarse_to_fine_weights(t, coarse=config.coarse_scale, late=config.late_weights)
            for t in self.schedule.timesteps
        ]
        self.mixture = mixture
        if mixture is not None:
            self._weights = [two_branches(mixture.weights(index)) for index in range(len(mixture))]
        self._scale = None
        if config.part_scales != PartScales():
            self._scale = token_scale(config.part_scales, denoiser.layout).to(self._device)

    @property
    def fingerprint(self) -> str:
        """Identity of the denoiser's weights."""
        return self._branches.fingerprint

    def predictor(self, told: Conditions) -> Predict:
        """Guided x0: w conditional J + (1 - w) unconditional / J; what depends on the conditions alone is formed once.

        J (T, 1) is one number per part, and left out where all are one.
        """
        known = self._branches.told(told.to(self._device))
        return lambda x, index: self._predicted(x, index, known, self._weights[index])

    def _predicted(self, x: Tensor, index: int, known: Told, weights: tuple[float, float]) -> Tensor:
        conditional, unconditional = self._branches(x, index, known, unconditional=weights[1] != 0)
        if unconditional is None:
            unconditional = torch.zeros_like(conditional)
        return mixed(conditional, unconditional, weights, self._scale)

    @torch.no_grad()
    def invert(self, latents_BTL: Tensor, told: Conditions) -> Levels:
        """DDIM inversion of clean latents under their own conditions."""
        inverted = ddim.invert(self.predictor(told), latents_BTL.to(self._device), self.schedule)
        return torch.cat([latents_BTL[None], inverted.cpu()])

    @torch.no_grad()
    def sample(self, noise_BTL: Tensor, told: Conditions, changes: Sequence[Predict] = ()) -> Tensor:
        """Noise to latents (B, T, L); `changes` are applied in order to the state before every step."""

        noise = noise_BTL.to(self._device)
        return ddim.sample(self.predictor(told), noise, self.schedule, before_step=partial(changed, changes)).cpu()

    @torch.no_grad()
    def sample_mixed(
        self,
        noise_BTL: Tensor,
        told: Conditions,
        changes: Sequence[Predict],
        alone: Sequence[Predict] | None,
        coins: Sequence[int],
    ) -> Tensor:
        """Noise to latents (B, T, L) by the mixture. `changes` make the state that knows of what was retrieved, `alone`
        the one that does not (None where nothing was); `coins` (S,) one side per step.
        """
        known, x = self._branches.told(told.to(self._device)), noise_BTL.to(self._device)
        for index in reversed(range(len(self.schedule))):

            def predict(state: Tensor, w: float, u: float, index: int = index) -> Tensor:
                return self._predicted(state, index, known, (w, u))

            weights = self.mixture.weights(index, coins[index])
            plain = None if alone is None else changed(alone, x, index)
            state, x0 = mixed_step(weights, changed(changes, x, index), plain, predict)
            x = ddim.move(state, x0, float(self.schedule.alpha_bar[index]), self.schedule.previous(index))
        return x.cpu()


def changed(changes: Sequence[Predict], x: Tensor, index: int) -> Tensor:
    for change in changes:
        x = change(x, index)
    return x


def token_scale(scales: PartScales, layout: TokenLayout) -> Tensor:
    """(T, 1): every token's factor J, one at the separators."""
    scale = torch.ones(layout.tokens, 1)
    for part in PART_NAMES:
        scale[layout.part(part)] = getattr(scales, part)
    return scale
