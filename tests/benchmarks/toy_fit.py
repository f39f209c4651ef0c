"""A fit of a small network for tests of training on several processes; it does what its configuration says."""

import os
import signal
import time

import torch
from torch import nn

from gesturebench.common.budget import Training
from gesturebench.common.checkpoint import save_weights
from gesturebench.common.distributed import joined
from gesturebench.common.files import write_json
from gesturebench.common.seeds import torch_generator
from gesturebench.common.training import train


def fit(config, context) -> None:
    training, rank = Training.parse(dict(config["training"])), int(os.environ["RANK"])
    model = network()

    def draw(rows: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        time.sleep(config.get("pause_s", 0.0))
        if config.get("fails") == rank:
            raise ValueError(f"rank {rank} broke")
        if config.get("dies") == rank:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"x": inputs(rows, generator)}

    train(model, draw, lambda batch: losses(model, batch["x"]), training, seed_axes=("toy",), context=context)
    save_weights(model, context.out)


def gradients(config, context) -> None:
    """What two processes make of their halves of a batch, beside what one makes of the whole."""
    ranks = joined(2)
    halves = [inputs(4, torch_generator("half", k)) for k in range(2)]
    shared, alone = network().eval(), network().eval()
    losses(shared, halves[ranks.index])["loss"].backward()
    ranks.average_gradients(list(shared.parameters()))
    losses(alone, torch.cat(halves))["loss"].backward()
    pairs = zip(shared.parameters(), alone.parameters(), strict=True)
    found = {"error": max((a.grad - b.grad).abs().max().item() for a, b in pairs)}
    found["size"] = max(p.grad.abs().max().item() for p in alone.parameters())
    found["any"] = [ranks.any(ranks.index == 1), ranks.any(False)]
    found["first"] = ranks.of_first({"index": ranks.index})["index"]
    started = torch.full((2,), float(ranks.index))
    ranks.start_alike([started])
    found["started"] = started.tolist()
    gathered = [ranks.mean(p.grad.double() * sign) for p in shared.parameters() for sign in (1, -1 + 2 * ranks.index)]
    found["spread"] = max(y.abs().max().item() for y in gathered[1::2])
    write_json(context.out / "found.json", found)


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 16), nn.Dropout(0.3), nn.GELU(), nn.Linear(16, 1))


def inputs(rows: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(rows, 3, generator=generator)


def losses(model: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"loss": (model(x)[:, 0] - torch.sin(x.sum(1))).square().mean()}
