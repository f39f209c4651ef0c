"""Sampling windows in which some of the motion is given (ExGes, eq. 8 and sec. 3.3).

Legend: B windows, T frames, n seed frames, F features, A audio features, S styles.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gesturebench.common.cross_local.denoiser import CrossLocalDenoiser
from gesturebench.common.cross_local.diffusion import Draws, Impose, cosine_schedule, imposed, sample
from gesturebench.common.cross_local.fast import PreparedDenoiser
from gesturebench.common.diffusion.ddim import Predict
from gesturebench.methods.exges.config import SamplingConfig
from gesturebench.methods.exges.masks import composed


@dataclass(frozen=True, eq=False)
class Told:
    """What is known of a batch of windows: `audio` (B, T, A), `style` (B, S), `seed` (B, n, F), motion `known` (B, T,
    F) and where it is, `mask` (B, T, F) bool."""

    audio: Tensor
    style: Tensor
    seed: Tensor
    known: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> "Told":
        return Told(*(part.to(device) for part in vars(self).values()))


class ControlledSampler:
    """A denoiser with its schedule. Steps are taken where the network lives; what goes in and comes out is on the
    CPU.

    A network that was trained with control sees at every step x^ = m x_0 + (1 - m) x_t, and the mask. One that was not
    is led by inpainting: what is known replaces its prediction at every step.
    """

    def __init__(self, network: CrossLocalDenoiser, config: SamplingConfig):
        self._network, self._config = network, config
        self._schedule = cosine_schedule(config.steps) if config.sampler == "ddim" else cosine_schedule()

    @torch.no_grad()
    def sample(
        self, told: Told, generators: list[torch.Generator], after_step: Callable[[int], None] | None = None
    ) -> Tensor:
        """(B, T, F) standardised; the noise of each row comes from its own generator."""
        where = next(self._network.parameters()).device
        told = told.to(where)
        draws = Draws(generators, told.known.shape[1:], where)
        predict = imposed(self._prediction(told), told.known, told.mask, self.impose)
        return sample(predict, draws(), self._schedule, self._config.sampler, draws, after_step=after_step).cpu()

    @property
    def _sees_masks(self) -> bool:
        return self._network.config.mask_input

    @property
    def impose(self) -> Impose:
        """When what is known overwrites the prediction."""
        return "every" if self._config.hard_impose == "none" and not self._sees_masks else self._config.hard_impose

    def _prediction(self, told: Told) -> Predict:
        """(x, step) -> x0, guided away from what the network would do without the speech."""
        heard, w = self._prepared(told, told.audio), self._config.w_audio

        def seen(x: Tensor) -> Tensor:
            return composed(x, told.known, told.mask) if self._sees_masks else x

        if w == 1:
            return lambda x, index: heard(seen(x), index)
        deaf = self._prepared(told, torch.zeros_like(told.audio))
        return lambda x, index: torch.lerp(deaf(seen(x), index), heard(seen(x), index), w)

    def _prepared(self, told: Told, audio_BTA: Tensor) -> PreparedDenoiser:
        steps = self._schedule.timesteps
        return PreparedDenoiser(self._network, audio_BTA, told.style, told.seed, steps, mask_BTF=told.mask)
