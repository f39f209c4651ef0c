"""Sampling windows of motion features: 50 steps of DDIM through a mixture of up to four branches.

Legend: S steps, B windows, T frames, F features.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from gesturebench.common.diffusion import ddim
from gesturebench.common.diffusion.ddim import Predict
from gesturebench.common.diffusion.mixture import ConditionMixture
from gesturebench.common.diffusion.schedule import Schedule, linear_betas
from gesturebench.methods.remodiffuse.branches import Branches, prepared
from gesturebench.methods.remodiffuse.conditions import Conditions
from gesturebench.methods.remodiffuse.config import SamplingConfig
from gesturebench.methods.remodiffuse.network import Network
from gesturebench.methods.remodiffuse.patches import PatchedBranches
from gesturebench.methods.remodiffuse.samples import Samples


class MixedSampler:
    """A network with its schedule. Steps are taken where the network lives; what goes in and comes out is on the
    CPU."""

    def __init__(self, network: Network, config: SamplingConfig):
        self.schedule = Schedule.respaced(config.sections, linear_betas())
        self._network = network

    @torch.no_grad()
    def branches(self, told: Conditions, samples: Samples | None) -> Branches:
        """Whole windows under these conditions; everything that no step changes is computed here."""
        network, where = self._network, self._where
        told = told.to(where)
        branches = prepared(
            network.denoiser,
            network.prompt(told),
            network.retrieved(samples.to(where)) if samples is not None else None,
            torch.ones(len(told.audio), told.audio.shape[1] // network.patch, device=where),
            network.extra(told),
            network.style(told),
            self.schedule.timesteps,
        )
        return branches if network.patch == 1 else PatchedBranches(branches, network.patch)

    @torch.no_grad()
    def sample(
        self,
        noise_BTF: Tensor,
        branches: Branches,
        mixture: ConditionMixture,
        coins: Sequence[int],
        before_step: Predict | None = None,
    ) -> Tensor:
        """Noise to standardised features (B, T, F); `coins` (S,) one side per step, for all windows alike."""
        predict = mixed_prediction(branches, mixture, coins)
        return ddim.sample(predict, noise_BTF.to(self._where), self.schedule, before_step=before_step).cpu()

    @property
    def _where(self) -> torch.device:
        return next(self._network.parameters()).device


def mixed_prediction(branches: Branches, mixture: ConditionMixture, coins: Sequence[int]) -> Predict:
    """(x, step) -> x0, from the branches that the step weighs."""

    def predict(x: Tensor, step: int) -> Tensor:
        needed = mixture.needed(step, coins[step])
        return mixture.mix(step, branches.predict(x, step, needed), coins[step])

    return predict
