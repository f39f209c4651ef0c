"""ReMoDiffuse's denoiser, called plainly and through prepared branches, mixed predictions, and a chain of 50 steps."""

from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor

from gesturebench.common.diffusion import ddim
from gesturebench.common.diffusion.mixture import ConditionMixture, MixtureConfig
from gesturebench.common.diffusion.schedule import Schedule, linear_betas
from gesturebench.methods.remodiffuse.branches import PlainBranches, PreparedBranches
from gesturebench.methods.remodiffuse.denoiser import CONDITIONS
from tests.parity.cases._remodiffuse import CHAIN, NETWORK, SmallNetwork, flags
from tests.parity.frame import Check, Golden, case, near

GIVEN = (0.7, -0.2, 0.9, -0.4)
"""Weights of the outputs named `mix_given`, as the README of the golden data states them; no array holds them."""
COINS = {"mix_coin0": 0, "mix_coin1": 1, "mix_fine": 0}
KINDS = {"plain": PlainBranches, "prepared": PreparedBranches}


def released(config: dict, timesteps: list[int]) -> ConditionMixture:
    """The released mixture with the numbers of a file."""
    c = config["scale_func_cfg"]
    fine = (c["both_coef"], c["text_coef"], c["retr_coef"])
    return ConditionMixture(
        MixtureConfig(policy="released", coarse_scale=c["coarse_scale"], fine=fine), timesteps
    )  # fmt: skip


@case("remodiffuse/denoiser.npz")
def denoiser(golden: Golden) -> Iterator[Check]:
    """Masked frames attend too and are compared."""
    net = SmallNetwork(golden)
    f, x = net.file, net.file.inputs["motion"]
    yield near("xf_out", net.prompt, f.out["xf_out"], NETWORK)
    times = sorted({int(name.split("_")[0][1:]) for name in f.out if name[1:2].isdigit()})
    mixture = released(f.config, times)
    fixed = ConditionMixture(MixtureConfig(policy="fixed", table=(GIVEN,)), times)
    for (kind, branches), step in ((item, step) for item in KINDS.items() for step in range(len(times))):
        predictions = net.branches(branches, times).predict(x, step, tuple(CONDITIONS))
        for name in (name for name in f.out if name.startswith(f"t{times[step]}_")):
            what = name.split("_", 1)[1]
            if what in predictions:
                ours = predictions[what]
            elif what in COINS:
                ours = mixture.mix(step, predictions, COINS[what])
            else:
                ours = fixed.mix(step, predictions)
            yield near(f"{name} {kind}", ours, f.out[name], NETWORK)
    yield near("train", _trained(net), f.out["train"], NETWORK)


def _trained(net: SmallNetwork) -> Tensor:
    """The output of a training step: dropout is zero, each row has conditions of its own."""
    inputs = net.file.inputs
    speech, retrieval = flags(inputs["train_cond_type"])
    told = net.prompt, net.retrieved, speech, retrieval, inputs["motion_mask"]
    return net.denoiser(inputs["motion"], inputs["train_timesteps"], *told)


@case("remodiffuse/ddim_chain.npz")
def ddim_chain(golden: Golden) -> Iterator[Check]:
    net = SmallNetwork(golden)
    config = golden.config()
    schedule = Schedule.respaced([int(count) for count in config["respace"].split(",")], linear_betas())
    for kind, branches in KINDS.items():
        states = _states(net, golden, schedule, branches)
        for name in golden.groups("out/"):
            taken = len(schedule) if name == "final" else int(name.removeprefix("after_step"))
            yield near(f"{name} {kind}", states[taken - 1], golden[f"out/{name}"], CHAIN)


def _states(net: SmallNetwork, golden: Golden, schedule: Schedule, kind: type) -> list[Tensor]:
    """x after every step."""
    mixture = released(golden.config(), list(schedule.timesteps))
    branches = net.branches(kind, list(schedule.timesteps))
    late = sum(t <= 100 for t in schedule.timesteps)
    tossed = golden["in/coins"].tolist()[: len(schedule) - late]
    coins = list(chain(tossed, [0] * late))[::-1]
    states: list[Tensor] = []

    def predict(x: Tensor, step: int) -> Tensor:
        states.append(x)
        return mixture.mix(step, branches.predict(x, step, mixture.needed(step, coins[step])), coins[step])

    final = ddim.sample(predict, torch.from_numpy(golden["in/noise"]), schedule)
    return [*states[1:], final]
