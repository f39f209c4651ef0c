"""Training of the network: windows of speech and motion, and the codes of that motion (Xu et al. 2024)."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.checkpoint import save_weights
from gesturebench.common.codecs.part_vqs import PartVQs
from gesturebench.common.codecs.prior_windows import PriorWindows, part_rows, stacked
from gesturebench.common.corpus.names import ClipName, dense_speaker
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import Window
from gesturebench.common.fitting import FitContext
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.seeds import seed_of
from gesturebench.common.training import PROGRESS, Batch, Losses, train
from gesturebench.methods.mambatalk.channels import Channels
from gesturebench.methods.mambatalk.config import MambaTalkConfig
from gesturebench.methods.mambatalk.losses import Sample, Truth, hidden_share, step_losses
from gesturebench.methods.mambatalk.network import Network, start_words_at
from gesturebench.methods.mambatalk.tokens import SPLIT, heard_audio, read_tokens, tokens_of
from gesturebench.methods.mambatalk.windows import heard_samples
from gesturebench.methods.mambatalk.words import word_rows, word_table, word_vectors

CLIPS_IN_MEMORY = 64
"""Of which sound and words are kept between two windows."""


def fit_network(values: Mapping[str, Any], context: FitContext) -> None:
    """Train on `values` (the sections priors, network, speech, losses, training); upstream holds the priors' artifacts,
    and the recogniser's letters if they are read.
    """
    config = MambaTalkConfig.parse(dict(values), "mambatalk")
    windows = TrainingWindows(context, config)
    network = started(config, context.store, context.seed)

    def losses_of(batch: Batch) -> Losses:
        return step_losses(network, sample_of(batch), config.losses, config.network.seed_frames)

    axes = ("mambatalk", context.seed)
    train(network, windows.batch, losses_of, config.training, seed_axes=axes, context=context)
    save_weights(network, context.out)


def started(config: MambaTalkConfig, store: ClipStore, seed: int) -> Network:
    """The network before its first step."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("mambatalk", seed))
        network = Network(config)
    vectors = word_vectors(config.speech, store)
    if vectors is not None:
        start_words_at(network, torch.from_numpy(vectors))
    return network


def sample_of(batch: Batch) -> Sample:
    """A drawn batch as the losses want it: numbers are hidden whose `chance` is below the share of that moment."""
    hidden = batch["chance"] < hidden_share(batch[PROGRESS])[:, None, None]
    indices, latents = (
        {part: batch[f"{kind}_{part}"] for part in PART_NAMES if f"{kind}_{part}" in batch}
        for kind in ("index", "latent")
    )
    told = (batch[name] for name in ("audio", "words", "speaker", "motion"))
    return Sample(*told, hidden, Truth(indices, latents))


class TrainingWindows:
    """Random windows of the training clips."""

    def __init__(self, context: FitContext, config: MambaTalkConfig):
        self._store, self._config = context.store, config
        self._windows = PriorWindows(context.store, SPLIT, config.network.window, config.priors.stride)
        self._has_codes = config.network.target == "codes"
        self._priors = PartVQs(config.priors, context.upstream) if self._has_codes else None
        self._letters = read_tokens(context.upstream["tokens"]) if "tokens" in context.upstream else None
        self._table = word_table(config.speech, context.store)
        self._clip = lru_cache(CLIPS_IN_MEMORY)(self._read)

    def batch(self, rows: int, generator: torch.Generator) -> Batch:
        """`audio` (B, S, 3), `words` and `speaker` (B, T), `motion` (B, T, M), `chance` (B, T, M) uniform in [0, 1),
        and of each part `latent_<part>` (B, T, K) and `index_<part>` (B, T), or its features as the latent alone."""
        drawn = self._windows.draw(rows, generator)
        motion = self._windows.channels(drawn)
        audio, words = zip(*(self._told(window) for window in drawn), strict=True)
        return {
            "audio": stacked(audio),
            "words": torch.from_numpy(np.stack(words)),
            "speaker": self._speakers(drawn),
            "motion": motion,
            "chance": torch.rand(motion.shape, generator=generator),
            **self._truth(part_rows(motion, self._windows.expressions(drawn))),
        }

    def _truth(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if self._priors is None:
            return {f"latent_{part}": x for part, x in features.items()}
        indices = self._priors.indices(features)
        latents = self._priors.vectors(indices)
        return {
            **{f"index_{part}": index for part, index in indices.items()},
            **{f"latent_{part}": latent for part, latent in latents.items()},
        }

    def _told(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        channels, words = self._clip(window.clip_id)
        first, stop = heard_samples(window.start, self._config.network, "exact")
        return channels.piece(first, stop), words[window.start : window.start + window.length]

    def _read(self, clip_id: str) -> tuple[Channels, np.ndarray]:
        speech, told = self._store.speech(clip_id), self._config.speech
        letters = tokens_of(speech, told) if self._letters is None else self._letters[clip_id]
        words = word_rows(speech.words, self._table, self._store.n_frames(clip_id))
        return Channels(heard_audio(speech, told), letters), words

    def _speakers(self, windows: Sequence[Window]) -> Tensor:
        """(B, T)."""
        rows = torch.tensor([dense_speaker(ClipName.parse(window.clip_id).speaker) for window in windows])
        return rows[:, None].expand(-1, self._config.network.window)
