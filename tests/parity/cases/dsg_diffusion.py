"""DiffuseStyleGesture's noise schedule, chains and losses, and how its windows become one motion."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.cross_local.diffusion import (
    cosine_betas,
    cosine_schedule,
    imposed,
    posterior_log_variance,
    posterior_variance,
    sample,
)
from gesturebench.common.cross_local.losses import masked_smooth_l1
from gesturebench.common.cross_local.stitching import Stitching
from gesturebench.common.cross_local.training_poses import STD_FLOOR
from gesturebench.common.diffusion.ddpm import posterior
from gesturebench.common.diffusion.schedule import Schedule, add_noise
from tests.parity.cases._rag_gesture import Arrays
from tests.parity.frame import Check, Golden, case, near, same

TABLE, CHAIN, STITCHED = 1e-12, 1e-5, 1e-6


def _toy(x: Tensor, t: float) -> Tensor:
    return 0.5 * x + t / 1000


@case("exges/dsg_diffusion.npz")
def diffusion(golden: Golden) -> Iterator[Check]:
    file = Arrays.of(golden)
    betas = cosine_betas(file.config["steps"])
    yield near("betas", betas, golden["out/betas"], TABLE)
    yield near("alphas_cumprod", np.cumprod(1 - betas), golden["out/alphas_cumprod"], TABLE)
    schedule = cosine_schedule(file.config["respaced"])
    yield same("timestep_map", schedule.timesteps, golden["out/timestep_map"])
    yield near("betas_respaced", schedule.betas, golden["out/betas_respaced"], TABLE)
    yield from _chains(file, golden, schedule)
    yield from _losses(file, golden)
    yield from _moments(file, golden)


def _chains(file: Arrays, golden: Golden, schedule: Schedule) -> Iterator[Check]:
    """Noises are listed in the order in which they are drawn, the noisiest step first."""
    inputs, last = file.inputs, len(schedule) - 1

    def predict(x: Tensor, index: int) -> Tensor:
        return _toy(x, schedule.timesteps[index])

    def noise_of(index: int) -> Tensor:
        return inputs["noises"][last - index]

    chain = partial(sample, noise=inputs["x_T"], schedule=schedule, sampler="ddpm", noise_of=noise_of)
    yield near("chain_plain", chain(predict), golden["out/chain_plain"], CHAIN)
    known = imposed(predict, inputs["inpainted_motion"], inputs["inpainting_mask"])
    yield near("chain_inpaint", chain(known), golden["out/chain_inpaint"], CHAIN)


def _losses(file: Arrays, golden: Golden) -> Iterator[Check]:
    """The training loss is that of motion noised with `x_T`, each row at its own timestep."""
    inputs, t = file.inputs, file.inputs["t"]
    mask = inputs["loss_mask"][:, 0, 0]
    loss = masked_smooth_l1(_frames(inputs["loss_a"]), _frames(inputs["loss_b"]), mask)
    yield near("masked_loss", loss, golden["out/masked_loss"], CHAIN)
    levels = torch.from_numpy(np.cumprod(1 - cosine_betas(file.config["steps"])))[t]
    x_t = add_noise(inputs["x0"], inputs["x_T"], levels[:, None, None, None])
    yield near("q_sample", x_t, golden["out/q_sample"], CHAIN)
    predicted = torch.stack([_toy(x, step) for x, step in zip(x_t, t.tolist(), strict=True)])
    loss = masked_smooth_l1(_frames(predicted), _frames(inputs["x0"]), mask)
    yield near("training_loss", loss, golden["out/training_loss"], CHAIN)


def _moments(file: Arrays, golden: Golden) -> Iterator[Check]:
    """Of `x_T`, each row at its own timestep of the whole schedule."""
    schedule, x_t = cosine_schedule(file.config["steps"]), file.inputs["x_T"]
    rows = list(zip(x_t, file.inputs["t"].tolist(), strict=True))
    found = {
        "p_mean": [posterior(x, _toy(x, t), schedule, t).mean for x, t in rows],
        "p_variance": [torch.full_like(x, posterior_variance(schedule, t)) for x, t in rows],
        "p_log_variance": [torch.full_like(x, posterior_log_variance(schedule, t)) for x, t in rows],
    }
    for name, values in found.items():
        yield near(name, torch.stack(values), golden[f"out/{name}"], CHAIN)


@case("exges/dsg_stitch_main.npz")
def stitching(golden: Golden) -> Iterator[Check]:
    """As released: no frames before the speech but zeros, and the ends of the whole are left out."""
    file = Arrays.of(golden)
    windows = [_frames(window) for window in file.inputs["windows"]]
    mean, std = golden["in/mean"], np.maximum(golden["in/std"], STD_FLOOR)
    for name, root in {"nosmooth": None, "smooth": slice(0, 3)}.items():
        n, seeds = file.config["n_seed"], []
        joined = Stitching(torch.zeros_like(windows[0][:, : file.config["n_seed"]]), blend="first_frame", root=root)
        for window in windows:
            seeds.append(joined.seed.transpose(1, 2)[:, :, None])
            joined.add(window)
        poses = joined.joined()[0, n:-n].double().numpy() * std + mean
        yield near(f"poses_{name}", poses, golden[f"out/poses_{name}"], STITCHED)
        yield near(f"seeds_{name}", torch.stack(seeds), golden[f"out/seeds_{name}"], STITCHED)
        yield same("length", len(poses), golden["out/length"])


def _frames(x_BF1T: Tensor) -> Tensor:
    """(B, T, F)."""
    return x_BF1T[:, :, 0].transpose(1, 2)
