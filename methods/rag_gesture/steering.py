"""What is done to a sample between steps: retrieved latents are inserted, the end of the window before is carried on.

`steered` says which of it happens in which mode; docs/rag-gesture.md says why.

Legend: S diffusion steps, B windows, T tokens, L latent width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gesturebench.common.diffusion.guidance import insert, iterations, overwrite
from gesturebench.common.diffusion.schedule import Schedule
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.methods.rag_gesture.config import GuidanceConfig
from gesturebench.methods.rag_gesture.layout import TokenLayout

Levels = Tensor
"""(S + 1, B, T, L): entry 0 clean latents, entry i + 1 the inverted latents after diffusion index i; the last is pure
noise.
"""
Change = Callable[[Tensor, int], Tensor]
"""(state (B, T, L), diffusion index) -> the state that the network is given."""


@dataclass(frozen=True, eq=False)
class Insertion:
    """Latents of retrieved windows at the tokens they are to appear: `levels` (S + 1, B, T, L), or the clean ones alone
    (1, B, T, L) for inpainting; `mask` (B, T, 1) bool.
    """

    levels: Levels
    mask: Tensor

    @classmethod
    def placed(cls, rows: Sequence[Sequence[tuple[list[int], Tensor]]], tokens: int) -> "Insertion":
        """For every window what was placed in it: (target tokens, levels (S + 1, n, L) at these n tokens)."""
        count, _, width = next(part.shape for row in rows for _, part in row)
        levels = torch.zeros(count, len(rows), tokens, width)
        mask = torch.zeros(len(rows), tokens, 1, dtype=torch.bool)
        for row, placements in enumerate(rows):
            for target, part in placements:
                levels[:, row, target] = part
                mask[row, target] = True
        return cls(levels, mask)

    def initialise(self, noise_BTL: Tensor, start: int = -1) -> Tensor:
        """Latent initialisation: the start noise of the masked tokens is an inverted latent, the last by default
        (Mughal et al. 2025, sec. 3.4).
        """
        return torch.where(self.mask, self.levels[start], noise_BTL)

    def guidance(self, config: GuidanceConfig) -> Change:
        """Insertion guidance: each step contracts the masked tokens towards the inverted latent of its level, or of the
        one above.
        """
        counts = iterations(config.schedule, len(self.levels) - 1)
        above = int(config.target_level == "released")

        def change(x: Tensor, index: int) -> Tensor:
            target, mask = self.levels[index + above].to(x.device), self.mask.to(x.device)
            return insert(x, target, mask, counts[index], config.lr)

        return change

    def overwriting(self, noise_SBTL: Tensor, schedule: Schedule) -> Change:
        """Insertion as released: each step but the noisiest replaces the masked tokens by the inverted latent of the
        level above, noised once more to the level of the step.
        """

        def change(x: Tensor, index: int) -> Tensor:
            if index == len(schedule) - 1:
                return x
            return overwrite(x, self.levels[index + 1], self.mask, noise_SBTL[index], float(schedule.alpha_bar[index]))

        return change


@dataclass(frozen=True, eq=False)
class Outpainting:
    """Tokens whose clean content is known (Lugmayr et al. 2022): at each step they are that, noised to its level.

    `latents` (B, T, L), `mask` (B, T, 1) bool, `noise` (S, B, T, L) fresh for every step.
    """

    latents: Tensor
    mask: Tensor
    noise: Tensor
    schedule: Schedule

    def __call__(self, x: Tensor, index: int) -> Tensor:
        return overwrite(x, self.latents, self.mask, self.noise[index], float(self.schedule.alpha_bar[index]))

    def first_step_alone(self, x: Tensor, index: int) -> Tensor:
        """The content is put in at the noisiest step, and then forgotten."""
        return self(x, index) if index == len(self.schedule) - 1 else x


def carried(previous_BTL: Tensor, layout: TokenLayout, slots: int) -> tuple[Tensor, Tensor]:
    """Latents (B, T, L) and mask (B, T, 1): the last slots of every part of the previous window, at the first slots."""
    latents = torch.zeros_like(previous_BTL)
    mask = torch.zeros(*previous_BTL.shape[:2], 1, dtype=torch.bool)
    target = layout.tokens_of(0, slots, PART_NAMES)
    latents[:, target] = previous_BTL[:, layout.tokens_of(layout.slots - slots, layout.slots, PART_NAMES)]
    mask[:, target] = True
    return latents, mask


def steered(
    noise_BTL: Tensor,
    schedule: Schedule,
    config: GuidanceConfig,
    *,
    insertion: Insertion | None = None,
    carry: Outpainting | None = None,
    fresh_SBTL: Tensor | None = None,
) -> tuple[Tensor, list[Change]]:
    """Start noise and changes before each step, in order.

    `insertion`: what was retrieved, None where no window of the batch has any; `carry`: how the window before ended,
    None for the first; `fresh_SBTL`: the noise of the modes `released` and `inpainting`. Where a token is both carried
    and retrieved, the carried content wins, so that motion goes on. In mode `released` it is held at the noisiest step
    alone: the published loop keeps both in one variable, which retrieved latents take over.
    """
    changes: list[Change] = []
    if insertion is not None and config.mode != "inpainting":
        noise_BTL = insertion.initialise(noise_BTL, config.inversion_start)
    if insertion is not None and config.mode == "paper":
        changes.append(insertion.guidance(config))
    elif insertion is not None and config.mode == "released":
        free = insertion if carry is None else replace(insertion, mask=insertion.mask & ~carry.mask)
        changes.append(free.overwriting(fresh_SBTL, schedule))
    elif insertion is not None and config.mode == "inpainting":
        changes.append(Outpainting(insertion.levels[0], insertion.mask, fresh_SBTL, schedule))
    if carry is not None:
        changes.append(carry.first_step_alone if config.mode == "released" else carry)
    return noise_BTL, changes
