"""Training of the audio model: windows of speech with partly hidden motion, and the codes of that motion (Liu et al.
2024, sec. 4.3).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gesturebench.common.checkpoint import save_weights
from gesturebench.common.codecs.part_vqs import PartVQs
from gesturebench.common.codecs.prior_windows import PriorWindows, part_rows
from gesturebench.common.corpus.names import ClipName, dense_speaker
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import Window
from gesturebench.common.errors import InputError
from gesturebench.common.fitting import FitContext
from gesturebench.common.seeds import seed_of, torch_generator
from gesturebench.common.training import Batch, Losses, train
from gesturebench.methods.emage.config import EmageConfig
from gesturebench.methods.emage.losses import training_losses
from gesturebench.methods.emage.network import AudioModel
from gesturebench.methods.emage.windows import samples_of

SPLIT = "train"
START_WINDOWS = 64
"""From which the network is centred."""
SPEAKER_SHARE = 0.1


def fit_audio_model(values: Mapping[str, Any], context: FitContext) -> None:
    """Train on `values` (the sections priors, network, hints, training); upstream holds the priors' artifacts."""
    config = EmageConfig.parse(dict(values), "emage")
    windows = TrainingWindows(context.store, config, PartVQs(config.priors, context.upstream))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("emage", context.seed))
        model = AudioModel(config.network, config.priors.codec)
    if config.network.initial == "centred":
        centre(model, windows.motion(START_WINDOWS, torch_generator("emage", "start", context.seed)))

    def losses_of(batch: Batch) -> Losses:
        return training_losses(model, batch, config.hints, config.training.steps)

    axes = ("emage", context.seed)
    train(model, windows.batch, losses_of, config.training, seed_axes=axes, context=context)
    save_weights(model, context.out)


@torch.no_grad()
def centre(model: AudioModel, motion_BTM: Tensor) -> None:
    """See `NetworkConfig.initial`; one scale for all channels."""
    mean = motion_BTM.mean((0, 1))
    scale = (motion_BTM - mean).square().mean().sqrt().clamp(min=1e-4)
    first = model.motion_encoder.main[0]
    first.weight.div_(scale)
    first.bias.copy_(-first.weight.sum(-1) @ mean)
    model.mask_embedding.copy_(mean)
    for table in (model.speaker_embedding_face, model.speaker_embedding_body):
        table.weight.mul_(SPEAKER_SHARE)


class TrainingWindows:
    """Random windows of the training clips as `training_losses` wants them."""

    def __init__(self, store: ClipStore, config: EmageConfig, vqs: PartVQs):
        self._store, self._network, self._vqs = store, config.network, vqs
        self._windows = PriorWindows(store, SPLIT, config.network.window, config.priors.stride)

    def motion(self, rows: int, generator: torch.Generator) -> Tensor:
        """(B, T, M) of random windows."""
        return self._windows.channels(self._windows.draw(rows, generator))

    def batch(self, rows: int, generator: torch.Generator) -> Batch:
        drawn = self._windows.draw(rows, generator)
        motion = self._windows.channels(drawn)
        indices = self._vqs.indices(part_rows(motion, self._windows.expressions(drawn)))
        return {
            "audio": self._audio(drawn),
            "speaker": torch.tensor([self._speaker(window) for window in drawn]),
            "motion": motion,
            "chance": torch.rand(motion.shape, generator=generator),
            **{f"index_{part}": index for part, index in indices.items()},
            **{f"latent_{part}": latent for part, latent in self._vqs.vectors(indices).items()},
        }

    def _audio(self, windows: Sequence[Window]) -> Tensor:
        """(B, S) samples."""
        length = samples_of(self._network.window)
        cuts = (self._store.window(w.clip_id, w.start, w.length)[1][:length] for w in windows)
        return torch.stack([torch.from_numpy(cut.copy()) for cut in cuts])

    def _speaker(self, window: Window) -> int:
        return speaker_row(ClipName.parse(window.clip_id).speaker, self._network.speakers)


def speaker_row(speaker: int, rows: int) -> int:
    """Of a table of all BEAT2 speakers the speaker's, of a table with one row that row."""
    row = 0 if rows == 1 else dense_speaker(speaker)
    if row >= rows:
        raise InputError(
            f"network.speakers = {rows}, and speaker {speaker} has row {row}",
            expected="25 rows, or 1 for all speakers",
            remedy="train with another number",
        )
    return row
