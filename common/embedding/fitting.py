"""Training the evaluator on phrases of the training split.

Legend: N units, B rows of a batch, T frames at 15 fps, D dimensions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.device import device
from gesturebench.common.embedding.artifact import save_embedding
from gesturebench.common.embedding.config import EmbeddingConfig
from gesturebench.common.embedding.contrastive import drawn_shift, infonce_losses, margin_losses
from gesturebench.common.embedding.gate import Gate, gate_of
from gesturebench.common.embedding.spoken import Spoken, SpokenUnit, collated, spoken_units, token_widths
from gesturebench.common.embedding.towers import FPS, SpeechMotion, motion_rows
from gesturebench.common.embedding.units import RATE, phrase_spans
from gesturebench.common.errors import InputError
from gesturebench.common.features.window_encoder import uncached_encoder
from gesturebench.common.files import write_npz
from gesturebench.common.fitting import FitContext
from gesturebench.common.optimisation import Batch, Losses
from gesturebench.common.seeds import numpy_generator, seed_of
from gesturebench.common.training import train

SCALE_UNITS = 512
"""Training units from which the scales of channels are taken."""
AT_ONCE = 64
"""Units that are embedded together where nothing is trained."""


@dataclass(frozen=True, eq=False)
class Unit:
    """Frames `start` to `stop` at 30 fps of a clip, and what is said in them."""

    clip_id: str
    start: int
    stop: int
    spoken: SpokenUnit


def fit_embedding(values: Mapping[str, Any], context: FitContext) -> None:
    """Train on the split `train`, measure the gate on `val`. The configuration with the places of pretrained models is
    `context.place["embedding"]`."""
    config = EmbeddingConfig.parse(dict(context.place["embedding"]), "embedding")
    units = read_units(context, "train", config)
    if len(units) < 2:
        raise InputError(
            f"the training split has {len(units)} phrases of {config.units.shortest_s:g} to "
            f"{config.units.longest_s:g} s",
            expected="two at least",
            remedy="use clips with aligned words, or set a smaller shortest_s of the units",
        )
    model = new_embedding(config, context, units)

    lengths = np.array([unit.stop - unit.start for unit in units])

    def draw(rows: int, generator: torch.Generator) -> Batch:
        chosen = [units[i] for i in drawn_rows(lengths, rows, config.among, generator)]
        motion, frames = motions_of(context.store, chosen)
        shift = torch.full((rows,), drawn_shift(max(2, rows), generator))
        return {"motion": motion, "frames": frames, "shift": shift, **collated([u.spoken for u in chosen])._asdict()}

    def losses_of(batch: Batch) -> Losses:
        return contrastive_losses(model, batch)

    train(model, draw, losses_of, config.training, seed_axes=("embedding", context.seed), context=context)
    held_out = read_units(context, "val", config)
    gate = measured_gate(model, context.store, held_out)
    facts = {"data": context.store.fingerprint, "units": len(units), "clips": sorted({u.clip_id for u in units})}
    save_embedding(context.out, model, gate, np.stack([unit.spoken.sentence for unit in units]), facts)


def contrastive_losses(model: SpeechMotion, batch: Batch) -> Losses:
    """Of the configured loss; a batch of one pair has nothing to compare and teaches nothing."""
    config = model.config
    speech = model.embed_speech(Spoken(*(batch[name] for name in Spoken._fields)))
    motion = model.embed_motion(batch["motion"], batch["frames"])
    if config.loss == "infonce":
        return infonce_losses(speech, motion, config.temperature)
    if len(motion) < 2:
        return {"loss": 0 * (speech - motion).sum()}
    shift = 1 + (int(batch["shift"][0]) - 1) % (len(motion) - 1)  # a part of a batch has fewer rows
    return margin_losses(speech, motion, shift, config.margin)


def drawn_rows(lengths_N: np.ndarray, rows: int, among: float | None, generator: torch.Generator) -> list[int]:
    """Units of a batch, all different where there are enough: one that comes twice would be its own negative.

    They are drawn from the `among` x rows units around a drawn place in the order of lengths; None: from all.
    """
    n = len(lengths_N)
    block = n if among is None else min(n, max(rows, round(among * rows)))
    first = int(torch.randint(n - block + 1, (), generator=generator))
    order = np.argsort(lengths_N, kind="stable")[first : first + block]
    if rows <= block:
        return order[torch.randperm(block, generator=generator)[:rows].numpy()].tolist()
    return order[torch.randint(block, (rows,), generator=generator).numpy()].tolist()


def new_embedding(config: EmbeddingConfig, context: FitContext, units: Sequence[Unit]) -> SpeechMotion:
    """Untrained towers with the scales of the training data; they depend on the seed and the data alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("embedding", "init", context.seed))
        model = SpeechMotion(config, *token_widths(config))
    order = numpy_generator("embedding", "scale", context.seed).permutation(len(units))[:SCALE_UNITS]
    chosen = [units[i] for i in order]
    motion, frames = motions_of(context.store, chosen)
    flat = torch.cat([rows[:count] for rows, count in zip(motion, frames)])
    model.motion_scale.take(model.channels(flat))
    model.speech.text_scale.take(torch.from_numpy(np.concatenate([u.spoken.text for u in chosen])))
    model.speech.audio_scale.take(torch.from_numpy(np.concatenate([u.spoken.audio for u in chosen])))
    return model


def read_units(context: FitContext, split: str, config: EmbeddingConfig) -> list[Unit]:
    """The phrases of a split's clips. What pretrained encoders make of a clip is kept in `context.work`, so that a
    killed run goes on with the next."""
    store, found = context.store, []
    clips = store.split(split)
    for number, clip_id in enumerate(clips):
        if config.encoding is not None:
            context.progress(number, len(clips))
        speech = store.speech(clip_id)
        spans = phrase_spans(speech.words, store.n_frames(clip_id), config.units)
        if spans:
            spoken = _read(context, clip_id, speech, spans, config)
            found += [Unit(clip_id, start, stop, unit) for (start, stop), unit in zip(spans, spoken)]
    return found


def _read(context: FitContext, clip_id: str, speech, spans, config: EmbeddingConfig) -> list[SpokenUnit]:
    mel = context.store.feature("mel", clip_id) if config.audio == "mel" else None
    if config.encoding is None:
        return spoken_units(speech, spans, config, mel=mel)
    path = context.work / "spoken" / f"{clip_id}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        units = spoken_units(speech, spans, config, mel=mel, encoder=uncached_encoder(config.encoding, str(device())))
        _write(path, units)
    return _kept(path, len(spans))


def _write(path: Path, units: Sequence[SpokenUnit]) -> None:
    arrays = {f"{name}{i}": getattr(unit, name) for i, unit in enumerate(units) for name in ("text", "audio")}
    halves = {name: array.astype(np.float16) for name, array in arrays.items()}
    write_npz(path, **halves, **{f"text_s{i}": unit.text_s for i, unit in enumerate(units)})


def _kept(path: Path, count: int) -> list[SpokenUnit]:
    with np.load(path) as arrays:
        return [SpokenUnit(*(arrays[f"{name}{i}"] for name in ("text", "text_s", "audio"))) for i in range(count)]


def motions_of(store: ClipStore, units: Sequence[Unit]) -> tuple[Tensor, Tensor]:
    """(B, T, 330) rotations in 6D at 15 fps, zeros at the end, and (B,) the frames of each."""
    poses = [store.motion(unit.clip_id).poses[unit.start : unit.stop : RATE // FPS] for unit in units]
    rows = [motion_rows(pose) for pose in poses]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor([len(row) for row in rows])


@torch.no_grad()
def measured_gate(model: SpeechMotion, store: ClipStore, units: Sequence[Unit]) -> Gate:
    """The gate on captured motion of held-out units."""
    speech, motion = [np.zeros((0, model.config.dim))], [np.zeros((0, model.config.dim))]
    for first in range(0, len(units), AT_ONCE):
        some = units[first : first + AT_ONCE]
        speech.append(model.embed_speech(collated([unit.spoken for unit in some])).numpy())
        motion.append(model.embed_motion(*motions_of(store, some)).numpy())
    lengths = np.array([unit.stop - unit.start for unit in units])
    return gate_of(np.concatenate(speech), np.concatenate(motion), lengths, split="val", wanted=model.config.gate)
