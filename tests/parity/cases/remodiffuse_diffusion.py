"""ReMoDiffuse's noise schedule, and steps of its samplers."""

import re
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.diffusion import ddim
from gesturebench.common.diffusion.ddpm import posterior
from gesturebench.common.diffusion.respacing import kept_timesteps
from gesturebench.common.diffusion.schedule import Schedule, add_noise, linear_betas
from tests.parity.frame import Check, Golden, case, near, same

TABLE = 1e-12


class RoundedLevels(Schedule):
    """As released: the level that a step moves to is rounded to float32 before its square roots are taken.

    Where alpha_bar is 0.9999 that costs 1 - alpha_bar four digits. With levels as they are the toy chain ends 3.6e-6
    from the golden one, and 1.2e-7 from itself in float64.
    """

    def previous(self, index: int) -> float:
        return float(np.float32(super().previous(index)))


@case("remodiffuse/diffusion.npz")
def diffusion(golden: Golden) -> Iterator[Check]:
    schedule = Schedule.respaced(_counts(golden.config()["respace"]), linear_betas())
    yield same("timestep_map", schedule.timesteps, golden["out/timestep_map"])
    yield near("betas_respaced", schedule.betas, golden["out/betas_respaced"], TABLE)
    yield near("alphas_cumprod_respaced", schedule.alpha_bar, golden["out/alphas_cumprod_respaced"], TABLE)
    yield near("alphas_cumprod_full", np.cumprod(1 - linear_betas()), golden["out/alphas_cumprod_full"], TABLE)
    yield from _spacings(golden)
    yield from _steps(golden, schedule)
    rounded = RoundedLevels(schedule.timesteps, schedule.alpha_bar)
    final = ddim.sample(_toy(schedule), torch.from_numpy(golden["in/x_t"]), rounded)
    yield near("toy_ddim_final", final, golden["out/toy_ddim_final"])
    yield near("q_sample", _noised(golden), golden["out/q_sample"])


def _counts(listed: str, separator: str = ",") -> list[int]:
    return [int(count) for count in listed.split(separator)]


def _spacings(golden: Golden) -> Iterator[Check]:
    """Other respacings, named in the keys."""
    yield same("fast27", kept_timesteps("fast27"), golden["out/fast27"])
    for key in golden.groups("out/timestep_map_"):
        spacing = key if re.fullmatch(r"ddim\d+", key) else _counts(key, "_")
        yield same(f"timestep_map_{key}", kept_timesteps(spacing), golden[f"out/timestep_map_{key}"])


def _toy(schedule: Schedule) -> ddim.Predict:
    return lambda x, index: 0.5 * x + schedule.timesteps[index] / 1000


def _steps(golden: Golden, schedule: Schedule) -> Iterator[Check]:
    """One step of each row from its own index."""
    x_t = torch.from_numpy(golden["in/x_t"])
    found: dict[str, list[Tensor]] = {}
    for row, index in enumerate(golden["in/t_index"].tolist()):
        level, x = float(schedule.alpha_bar[index]), x_t[row]
        predicted = _toy(schedule)(x, index)
        moments = posterior(x, predicted, schedule, index)
        of_row = {
            "ddim_sample": ddim.move(x, predicted, level, schedule.previous(index)),
            "ddim_pred_xstart": predicted,
            "p_mean": moments.mean,
            "p_variance": torch.full_like(x, moments.variance),
            "p_log_variance": torch.full_like(x, moments.log_variance),
        }
        for name, value in of_row.items():
            found.setdefault(name, []).append(value)
    for name, rows in found.items():
        yield near(name, torch.stack(rows), golden[f"out/{name}"])


def _noised(golden: Golden) -> Tensor:
    """Each row at one of the 1000 training timesteps; which one, the file does not say: the one that fits best."""
    rows = zip(*(torch.from_numpy(golden[name]) for name in ("in/x0", "in/noise", "out/q_sample")), strict=True)
    levels = np.cumprod(1 - linear_betas())[:, None, None]
    return torch.stack([_nearest(add_noise(x0, noise, torch.from_numpy(levels)), row) for x0, noise, row in rows])


def _nearest(candidates: Tensor, row: Tensor) -> Tensor:
    return candidates[(candidates - row).abs().amax((1, 2)).argmin()]
