"""Noise schedules, DDIM loops with a toy and with the network, guidance, and inference with retrieved latents."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.diffusion import ddim
from gesturebench.common.diffusion.ddim import Predict
from gesturebench.common.diffusion.guidance import insert, iterations
from gesturebench.common.diffusion.respacing import kept_timesteps
from gesturebench.common.diffusion.schedule import Schedule, add_noise, scaled_linear_betas
from gesturebench.methods.rag_gesture.config import GuidanceConfig, SamplingConfig
from gesturebench.methods.rag_gesture.denoiser import Conditions
from gesturebench.methods.rag_gesture.sampler import LatentSampler
from gesturebench.methods.rag_gesture.steering import Change, Insertion, Outpainting, carried, steered
from tests.parity.cases._rag_gesture import (
    BLOCK,
    CHAIN,
    KINDS,
    MASKED,
    Arrays,
    SmallNetwork,
    published_schedule,
    rows_in_use,
    schedule_of,
    toy,
)
from tests.parity.frame import Check, Golden, case, near, same

DOUBLE = 1e-12


@case("rag_gesture/schedules.json")
def schedules(golden: Golden) -> Iterator[Check]:
    document = golden.document
    yield from noise_levels(document)
    for group in ("respaced", "respaced_other"):
        for name, timesteps in document[group].items():
            yield same(f"{group}/{name}", respaced(name), timesteps)
    for name, counts in document["guidance_schedules"].items():
        # the noisiest entry is listed there, but never used
        yield same(f"guidance_schedules/{name}", iterations(name, len(counts)), [*counts[:-1], 0])


def respaced(name: str) -> tuple[int, ...]:
    """Through the method's configuration where the name is of 1000 steps, as it is unless `300:` stands before it."""
    steps, _, spacing = name.rpartition(":")
    counts = [int(count) for count in spacing.split(",")] if "," in spacing else spacing
    if steps:
        return tuple(kept_timesteps(counts, int(steps)))
    return Schedule.respaced(SamplingConfig(sections=counts).sections).timesteps


def noise_levels(document: Mapping[str, Any]) -> Iterator[Check]:
    listed, betas = document["betas_scaled_linear"], scaled_linear_betas()
    ours = {"n": len(betas), "first": betas[0], "second": betas[1], "last": betas[-1], "sum": betas.sum()}
    for name, value in listed.items():
        yield near(f"betas_scaled_linear/{name}", ours[name], value, DOUBLE)
    alpha_bar = np.cumprod(1 - betas)
    kept = document["alphas_cumprod_1000"]
    yield near("alphas_cumprod_1000", alpha_bar[[int(step) for step in kept]], list(kept.values()), DOUBLE)
    spaced = published_schedule()
    yield near("spaced_alphas_cumprod_50", spaced.alpha_bar, document["spaced_alphas_cumprod_50"], DOUBLE)
    cleaner = np.array([spaced.previous(index) for index in range(len(spaced))])
    yield near("spaced_betas_50", 1 - spaced.alpha_bar / cleaner, document["spaced_betas_50"], DOUBLE)


@case("rag_gesture/q_sample.npz")
def forward_noising(golden: Golden) -> Iterator[Check]:
    g = Arrays.of(golden)
    alpha_bar = torch.from_numpy(np.cumprod(1 - scaled_linear_betas()))[g.inputs["t"]][:, None, None]
    yield near("x_t", add_noise(g.inputs["x_start"], g.inputs["noise"], alpha_bar), g.out["x_t"])


@case("rag_gesture/ddim_toy.npz")
def sampling(golden: Golden) -> Iterator[Check]:
    g, schedule = Arrays.of(golden), schedule_of(golden)
    yield same("in/timestep_map", published_schedule().timesteps, g.inputs["timestep_map"])
    yield near("in/alphas_cumprod", published_schedule().alpha_bar, g.inputs["alphas_cumprod"], DOUBLE)
    predict, states, guesses = toy(g.inputs, schedule), [], []

    def recorded(x: Tensor, index: int) -> Tensor:
        states.append(x)
        guesses.append(predict(x, index))
        return guesses[-1]

    final = ddim.sample(recorded, g.inputs["noise"], schedule)
    yield near("samples", torch.stack([*states[1:], final]), g.out["samples"], BLOCK)
    yield near("pred_xstart_first_last", torch.stack([guesses[0], guesses[-1]]), g.out["pred_xstart_first_last"], BLOCK)
    levels = ((0, schedule.alpha_bar[-1]), (-1, schedule.alpha_bar[0]))
    noises = [ddim.predicted_noise(states[k], guesses[k], float(level)) for k, level in levels]
    # the cleanest step divides by sqrt(1 / alpha_bar - 1) = 0.03
    yield near("eps_first_last", torch.stack(noises), g.out["eps_first_last"], MASKED)


@case("rag_gesture/ddim_inversion_toy.npz")
def inversion(golden: Golden) -> Iterator[Check]:
    g, schedule = Arrays.of(golden), schedule_of(golden)
    levels = ddim.invert(toy(g.inputs, schedule), g.inputs["start"], schedule)
    yield near("inverted", levels, g.out["inverted"], BLOCK)


@case("rag_gesture/ddim_outpaint_toy.npz")
def outpainting(golden: Golden) -> Iterator[Check]:
    g, schedule = Arrays.of(golden), schedule_of(golden)
    sequence = g.inputs["in_seq"]
    known = Outpainting(sequence, rows_in_use(sequence), g.inputs["step_noise"].flip(0), schedule)
    yield near("samples", trajectory(g, toy(g.inputs, schedule), schedule, known), g.out["samples"], BLOCK)


@case("rag_gesture/ddim_guided_toy.npz")
def released_insertion(golden: Golden) -> Iterator[Check]:
    """The method's mode `released`, which has no updates; there they are made, and have no effect."""
    g, schedule = Arrays.of(golden), schedule_of(golden)
    inverted = g.inputs["inverted"]
    insertion = Insertion(torch.cat([torch.zeros_like(inverted[:1]), inverted]), rows_in_use(inverted[0]))
    change = insertion.overwriting(g.inputs["step_noise"].flip(0), schedule)
    samples = trajectory(g, toy(g.inputs, schedule), schedule, change)
    yield near("samples", samples, g.out["samples"], BLOCK)
    yield near("final_zero_iterations", samples[-1], g.out["final_zero_iterations"], BLOCK)


def trajectory(g: Arrays, predict: Predict, schedule: Schedule, change: Predict) -> Tensor:
    """(S, B, T, L): the state after every step, before anything is put into it."""
    states = []

    def watched(x: Tensor, index: int) -> Tensor:
        states.append(x)
        return change(x, index)

    final = ddim.sample(predict, g.inputs["noise"], schedule, before_step=watched)
    return torch.stack([*states[1:], final])


@case("rag_gesture/guidance_update.npz")
def guidance_update(golden: Golden) -> Iterator[Check]:
    """There the objective is a mean over all elements, here a sum: the same contraction at lr / elements."""
    g = Arrays.of(golden)
    x, target = g.inputs["x"], g.inputs["inverted"]
    for name, theirs in g.out.items():
        count, lr = name.removeprefix("iters").split("_lr")
        yield near(name, insert(x, target, rows_in_use(target), int(count), float(lr) / x.numel()), theirs, BLOCK)


@case("rag_gesture/sampling_network.npz")
def network_loops(golden: Golden) -> Iterator[Check]:
    """Which steps are kept stands in the names of the arrays."""
    g, small = Arrays.of(golden), SmallNetwork(golden)
    for kind, (query_mask, tolerance) in KINDS.items():
        sampler, states = small.sampler(query_mask), []
        final = sampler.sample(g.inputs["noise"], small.told, [watching(states)])
        states = torch.stack([*states[1:], final])
        yield near(f"{kind}/final", final, g.out[f"{kind}/final"], max(tolerance, CHAIN))
        for name in kept_steps(g, f"{kind}/steps_"):
            yield near(name, states[steps_of(name)], g.out[name], max(tolerance, CHAIN))
    levels = small.sampler("none").invert(g.inputs["start_latent"], small.told.rows(slice(0, 1)))
    for name in kept_steps(g, "inversion_"):
        yield near(name, levels[1:][steps_of(name)], g.out[name], CHAIN)


def watching(states: list[Tensor]) -> Change:
    """Changes nothing, and writes down the states it is shown."""
    return lambda x, index: (states.append(x), x)[1]


def kept_steps(g: Arrays, prefix: str) -> list[str]:
    return [name for name in g.out if name.startswith(prefix)]


def steps_of(name: str) -> list[int]:
    return [int(step) for step in name.split("_") if step.isdigit()]


CASES = {
    "base": (GuidanceConfig(mode="none"), None),
    "inversion_only": (GuidanceConfig(mode="none"), None),
    "inversion_only_start_m10": (GuidanceConfig(mode="none", inversion_start=-10), None),
    "guided_decreasing_till_25": (GuidanceConfig(mode="released", schedule="decreasing_till_25"), "guided"),
    "outpaint": (GuidanceConfig(mode="inpainting"), "outpaint"),
    "prev_latent": (GuidanceConfig(mode="none"), "prev"),
}
"""Our settings of a golden sample, and the name of its recorded noise."""


@case("rag_gesture/rag_inference.npz")
def inference(golden: Golden) -> Iterator[Check]:
    """The method's own sampler and steering; guidance is insertion as released, see `released_insertion`."""
    g, small = Arrays.of(golden), SmallNetwork(golden)
    sampler = small.sampler("released")
    inverted, clean = retrieved(g, small, sampler)
    yield near("in/raw_motion_latents", clean.levels[0], g.inputs["raw_motion_latents"][:, 0], 0)
    for name in dict.fromkeys(key.split("/")[0] for key in g.out):
        config, noise_name = CASES[name]
        fresh = step_noise(g, noise_name) if noise_name else None
        insertion = carry = None
        if name == "prev_latent":
            carry = Outpainting(*carried(g.inputs["prev_latent"], small.layout, 1), fresh, sampler.schedule)
        elif name != "base":
            insertion = clean if config.mode == "inpainting" else inverted
        start, changes = steered(
            g.inputs["start_noise"], sampler.schedule, config, insertion=insertion, carry=carry, fresh_SBTL=fresh
        )
        yield near(f"{name}/final", sampler.sample(start, small.told, changes), g.out[f"{name}/final"], MASKED)


def retrieved(g: Arrays, small: SmallNetwork, sampler: LatentSampler) -> tuple[Insertion, Insertion]:
    """The retrieved windows at the places the plans put them: inverted under their own conditions, and clean."""
    rows = []
    for row, plan in enumerate(g.config["plans"]):
        rows.append([])
        for point, source in plan["retr"].items():
            names = ("motion_latent", "text", "audio", "spkid")
            latent, text, audio, speaker = (g.inputs[f"retr/{row}/{point}/retr_{name}"] for name in names)
            levels = sampler.invert(latent, Conditions(text, audio, speaker[:, 0]))
            target = small.layout.tokens_of(*plan["query"][point])
            rows[-1].append((target, levels[:, 0, small.layout.tokens_of(*source)]))
    inverted = Insertion.placed(rows, small.layout.tokens)
    return inverted, Insertion(inverted.levels[:1], inverted.mask)


def step_noise(g: Arrays, name: str) -> Tensor:
    """(S, B, T, L) by diffusion index; it is stored by loop iteration and only for the tokens that use it."""
    positions, rows = g.inputs[f"{name}_step_noise_positions"], g.inputs[f"{name}_step_noise"]
    noise = torch.zeros(len(rows), *positions.shape, rows.shape[-1])
    noise[:, positions] = rows
    return noise.flip(0)
