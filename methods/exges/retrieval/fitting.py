"""Training the retrieval module on the motion base (the component `retriever`).

Layout of its folder: weights.safetensors of the module; vectors.npy (N, J) float32, the motion of every entry in the
joint space; diagnostics.json, written last; curve.json and training.json as of every training.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.checkpoint import load_weights, save_weights
from gesturebench.common.device import device
from gesturebench.common.distributed import joined
from gesturebench.common.files import write_json, writing
from gesturebench.common.fitting import FitContext
from gesturebench.common.optimisation import Batch
from gesturebench.common.seeds import seed_of
from gesturebench.common.training import train
from gesturebench.methods.exges.retrieval.components import MOTION_BASE
from gesturebench.methods.exges.retrieval.config import RetrievalConfig
from gesturebench.methods.exges.retrieval.contrast import RetrievalModule, TaughtModule
from gesturebench.methods.exges.retrieval.diagnostics import diagnosed
from gesturebench.methods.exges.retrieval.motion_base import MotionBase, padded
from gesturebench.methods.exges.retrieval.rows import MOTION_WIDTH, audio_width, compared
from gesturebench.methods.exges.retrieval.validation import BestWeights, held_out, recall_at_10, vectors

VECTORS, DIAGNOSTICS = "vectors.npy", "diagnostics.json"


def fit_retriever(values: Mapping[str, Any], context: FitContext) -> None:
    """Train, embed the whole base, and say what it is worth; `context.place["retrieval"]` holds the settings with the
    models themselves."""
    config = RetrievalConfig.parse(dict(context.place["retrieval"]), "retrieval")
    base, data = MotionBase(context.upstream[MOTION_BASE]), held_out(context, config.base)
    taught = new_module(config, base, context.seed)
    per_epoch = steps_per_epoch(config, base)
    every = max(1, round(config.contrast.validate_epochs * per_epoch))
    best = BestWeights(taught, lambda: recall_at_10(taught.module, data), every, context)
    measured = config.contrast.kept == "best" and len(data) > 0
    watched = replace(context, progress=best) if measured else context

    def draw(rows: int, generator: torch.Generator) -> Batch:
        return drawn_batch(base, rows, generator)

    train(taught, draw, taught.losses, config.training, seed_axes=("retriever", context.seed), context=watched)
    if measured:
        best.take_over()
    taught.to(device()).eval()
    save_vectors(taught.module, base, context.out)
    facts = {"entries": len(base), "epochs": config.training.steps / per_epoch, "validation": best.curve}
    write_json(context.out / DIAGNOSTICS, {**facts, **diagnosed(taught, data)})
    save_weights(taught.module.cpu(), context.out)


def steps_per_epoch(config: RetrievalConfig, base: MotionBase) -> int:
    return ceil(len(base) / config.training.batch)


def new_module(config: RetrievalConfig, base: MotionBase, seed: int) -> TaughtModule:
    """Untrained networks and queues with the scales of the base; they depend on the seed and the data alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("retriever", "init", seed))
        module = empty_module(config)
        _take_scales(module, base, config.base.face)
        epochs = config.training.steps / steps_per_epoch(config, base)
        return TaughtModule(module, config.contrast, epochs, joined(config.training.processes).gathered)


def empty_module(config: RetrievalConfig) -> RetrievalModule:
    frames, tau = config.base.segments.max_frames, config.contrast.temperature
    return RetrievalModule(config.network, audio_width(config.base), MOTION_WIDTH, frames, tau)


def load_module(config: RetrievalConfig, folder: Path) -> RetrievalModule:
    """The trained module in eval mode, on the device."""
    module = empty_module(config)
    load_weights(module.requires_grad_(False), folder)
    return module.to(device())


def _take_scales(module: RetrievalModule, base: MotionBase, face: bool) -> None:
    for encoder, name in ((module.audio, "audio"), (module.motion, "motion")):
        for part in ("mean", "std"):
            getattr(encoder.scale, part).copy_(torch.from_numpy(base.statistics[f"{name}_{part}"]))
    module.motion.scale.seen.copy_(torch.from_numpy(compared(face)))


def drawn_batch(base: MotionBase, rows: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Entries that all differ, where there are enough, and the coins by which negatives are drawn."""
    count = len(base)
    chosen = (
        torch.randperm(count, generator=generator)[:rows]
        if rows <= count
        else torch.randint(count, (rows,), generator=generator)
    )
    return {**batch_of(base, chosen.numpy()), "coins": torch.rand(rows, 2, generator=generator)}


def batch_of(base: MotionBase, ids: np.ndarray) -> dict[str, Tensor]:
    """Sound, motion and place of some entries."""
    audio, frames = padded([base.audio(entry) for entry in ids])
    motion, _ = padded([base.motion(entry) for entry in ids])
    entries = base.entries
    columns = {"frames": frames, "entry": ids, "clip": entries.clip[ids], "audio": audio, "motion": motion}
    columns |= {"start_s": entries.start_s[ids], "end_s": entries.end_s[ids]}
    return {name: torch.from_numpy(np.ascontiguousarray(column)) for name, column in columns.items()}


def save_vectors(module: RetrievalModule, base: MotionBase, folder: Path) -> None:
    found = vectors(module.motion, [base.motion(entry) for entry in range(len(base))]).numpy()
    with writing(folder / VECTORS) as part, part.open("wb") as file:
        np.save(file, found)
