"""Noise schedules, DDIM loops with a toy and with the network, guidance, and inference with retrieved latents."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.diffusion import ddim
from gesturebench.common.diffusion.ddim import Predict
from gesturebench.common.diffusion.guidance import insert, iterations
from gesturebench.common.diffusion.schedule import Schedule, add_noise, scaled_linear_betas, section_timesteps
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.methods.rag_gesture.denoiser import Conditions
from gesturebench.methods.rag_gesture.sampler import Carry, Insertion
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
    """Not built: the respacings by name (leading, trailing, ddimN, fast27)."""
    document = golden.document
    yield from noise_levels(document)
    for group in ("respaced", "respaced_other"):
        for name, timesteps in document[group].items():
            if "," in name:
                steps, _, counts = name.rpartition(":")
                ours = section_timesteps(int(steps or 1000), [int(count) for count in counts.split(",")])
                yield same(f"{group}/{name}", ours, timesteps)
    for name, counts in document["guidance_schedules"].items():
        # the noisiest entry is listed there, but never used
        yield same(f"guidance_schedules/{name}", iterations(name, len(counts)), [*counts[:-1], 0])


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
    carry = Carry(sequence, rows_in_use(sequence), g.inputs["step_noise"].flip(0), schedule)
    yield near("samples", trajectory(g, toy(g.inputs, schedule), schedule, carry), g.out["samples"], BLOCK)


@case("rag_gesture/ddim_guided_toy.npz")
def released_insertion(golden: Golden) -> Iterator[Check]:
    """Insertion as released, which the method does not offer by name: before every step but the noisiest, the masked
    tokens are overwritten by the inverted latents, noised once more. The updates in between have no effect."""
    g, schedule = Arrays.of(golden), schedule_of(golden)
    noise = g.inputs["step_noise"].flip(0)
    samples = trajectory(g, toy(g.inputs, schedule), schedule, overwriting(g.inputs["inverted"], noise, schedule))
    yield near("samples", samples, g.out["samples"], BLOCK)
    yield near("final_zero_iterations", samples[-1], g.out["final_zero_iterations"], BLOCK)


def overwriting(inverted: Tensor, noise: Tensor, schedule: Schedule) -> Predict:
    """`inverted` and `noise` (S, B, T, L) by diffusion index."""
    mask = rows_in_use(inverted[0])

    def change(x: Tensor, index: int) -> Tensor:
        if index == len(schedule) - 1:
            return x
        return Carry(inverted[index], mask, noise, schedule)(x, index)

    return change


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
@torch.no_grad()
def network_loops(golden: Golden) -> Iterator[Check]:
    """Which steps are kept stands in the names of the arrays."""
    g, small, schedule = Arrays.of(golden), SmallNetwork(golden), schedule_of(golden)
    for kind, (query_mask, tolerance) in KINDS.items():
        predict = small.guided(small.told, query_mask, schedule)
        states = trajectory(g, predict, schedule, lambda x, index: x)
        yield near(f"{kind}/final", states[-1], g.out[f"{kind}/final"], max(tolerance, CHAIN))
        for name in kept_steps(g, f"{kind}/steps_"):
            yield near(name, states[steps_of(name)], g.out[name], max(tolerance, CHAIN))
    predict = small.guided(small.told.rows(slice(0, 1)), "none", schedule)
    levels = ddim.invert(predict, g.inputs["start_latent"], schedule)
    for name in kept_steps(g, "inversion_"):
        yield near(name, levels[steps_of(name)], g.out[name], CHAIN)


def kept_steps(g: Arrays, prefix: str) -> list[str]:
    return [name for name in g.out if name.startswith(prefix)]


def steps_of(name: str) -> list[int]:
    return [int(step) for step in name.split("_") if step.isdigit()]


@case("rag_gesture/rag_inference.npz")
@torch.no_grad()
def inference(golden: Golden) -> Iterator[Check]:
    """Guidance is insertion as released, see `released_insertion`."""
    g, small, schedule = Arrays.of(golden), SmallNetwork(golden), schedule_of(golden)
    predict = small.guided(small.told, "released", schedule)
    levels, mask = inverted_latents(g, small, schedule)
    noise, latents = g.inputs["start_noise"], g.inputs["raw_motion_latents"][:, 0]
    started = Insertion(levels, mask).initialise(noise)
    before = {"base": None, "inversion_only": None, "inversion_only_start_m10": None}
    before["guided_decreasing_till_25"] = overwriting(levels[1:], step_noise(g, "guided"), schedule)
    before["outpaint"] = Carry(latents, rows_in_use(latents), step_noise(g, "outpaint"), schedule)
    before["prev_latent"] = continuing(g, small, schedule)
    starts = {
        "inversion_only": started,
        "inversion_only_start_m10": Insertion(levels[:-9], mask).initialise(noise),  # ends with the tenth from last
        "guided_decreasing_till_25": started,
    }
    for name in dict.fromkeys(key.split("/")[0] for key in g.out):
        final = ddim.sample(predict, starts.get(name, noise), schedule, before_step=before[name])
        yield near(f"{name}/final", final, g.out[f"{name}/final"], MASKED)


def inverted_latents(g: Arrays, small: SmallNetwork, schedule: Schedule) -> tuple[Tensor, Tensor]:
    """Levels (S + 1, B, T, L) and mask (B, T, 1) of the retrieved windows at the places the plans put them."""
    shape, layout = g.inputs["start_noise"].shape, small.layout
    levels, mask = torch.zeros(len(schedule) + 1, *shape), torch.zeros(*shape[:2], 1, dtype=torch.bool)
    for row, plan in enumerate(g.config["plans"]):
        for point, source in plan["retr"].items():
            names = ("motion_latent", "text", "audio", "spkid")
            latent, text, audio, speaker = (g.inputs[f"retr/{row}/{point}/retr_{name}"] for name in names)
            predict = small.guided(Conditions(text, audio, speaker[:, 0]), "released", schedule)
            target = layout.tokens_of(*plan["query"][point])
            inverted = ddim.invert(predict, latent, schedule)
            levels[1:, row, target] = inverted[:, 0, layout.tokens_of(*source)]
            mask[row, target] = True
    return levels, mask


def continuing(g: Arrays, small: SmallNetwork, schedule: Schedule) -> Carry:
    """The last slot of each part of the window before stands at the first slot of this one."""
    previous = g.inputs["prev_latent"]
    latents = torch.zeros_like(previous)
    for part in PART_NAMES:
        tokens = small.layout.part(part)
        latents[:, tokens.start] = previous[:, tokens.stop - 1]
    return Carry(latents, rows_in_use(latents), step_noise(g, "prev"), schedule)


def step_noise(g: Arrays, name: str) -> Tensor:
    """(S, B, T, L) by diffusion index; it is stored by loop iteration and only for the tokens that use it."""
    positions, rows = g.inputs[f"{name}_step_noise_positions"], g.inputs[f"{name}_step_noise"]
    noise = torch.zeros(len(rows), *positions.shape, rows.shape[-1])
    noise[:, positions] = rows
    return noise.flip(0)
