"""Generation: a batch of speeches goes through its windows in step, each continuing where the one before ended."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from gesturebench.common.checkpoint import load_weights
from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.speakers import body_shape
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.device import device
from gesturebench.common.diffusion.ddim import Predict
from gesturebench.common.diffusion.guidance import overwrite
from gesturebench.common.diffusion.mixture import ConditionMixture
from gesturebench.common.seeds import numpy_generator, torch_generator
from gesturebench.methods.remodiffuse.components import MOTION, NETWORK
from gesturebench.methods.remodiffuse.conditions import Conditions
from gesturebench.methods.remodiffuse.config import RemodiffuseConfig
from gesturebench.methods.remodiffuse.database import PhraseDatabase
from gesturebench.methods.remodiffuse.fitting import build_network
from gesturebench.methods.remodiffuse.motion import motion_width
from gesturebench.methods.remodiffuse.sampler import MixedSampler
from gesturebench.methods.remodiffuse.samples import Samples
from gesturebench.methods.remodiffuse.searching_config import mixture_of
from gesturebench.methods.remodiffuse.track import Track
from gesturebench.methods.remodiffuse.training_motion import Standard


class Generator:
    """Trained ReMoDiffuse."""

    def __init__(
        self,
        config: RemodiffuseConfig,
        artifacts: Mapping[str, Path],
        store: ClipStore,
        database: PhraseDatabase | None,
    ):
        self.config, self._store, self._database = config, store, database
        network = build_network(config)
        load_weights(network.requires_grad_(False), artifacts[NETWORK])
        self._sampler = MixedSampler(network.to(device()), config.sampling)
        mixture = mixture_of(config, artifacts)
        self.mixture = ConditionMixture(mixture, self._sampler.schedule.timesteps, config.told)
        self._standard = Standard.load(artifacts[MOTION])
        self._evaluated: list[int] = []

    def batch(self, speeches: Sequence[Speech], seed: int, alive: Callable[[], None] = lambda: None) -> list[Motion]:
        """One motion per speech; a sample depends on (seed, clip id) alone. `alive` is called between windows."""
        tracks = [Track(speech, self.config) for speech in speeches]
        for k in range(max((len(track.starts) for track in tracks), default=0)):
            alive()
            going = [track for track in tracks if k < len(track.starts)]
            for track, features in zip(going, self._window(going, k, seed), strict=True):
                track.add(features)
        return [track.motion(self._standard, body_shape(self._store, track.speech.speaker)) for track in tracks]

    def evaluations(self) -> float | None:
        """Branches per window, of all steps together; the mean over the windows so far."""
        return fmean(self._evaluated) if self._evaluated else None

    def _window(self, tracks: Sequence[Track], k: int, seed: int) -> Tensor:
        """Features (B, T, F) of the k-th window of every track. The coins of a step fall alike for all speeches, so
        that they share its branches."""
        draws = [torch_generator("remodiffuse", seed, track.speech.clip_id, track.starts[k]) for track in tracks]
        shape = (self.config.motion.frames, motion_width(self.config.motion.expressions))
        noise = torch.stack([torch.randn(shape, generator=draw) for draw in draws])
        told = Conditions.joined([track.told(k) for track in tracks])
        branches = self._sampler.branches(told, self._retrieved(tracks, k))
        carry = None
        if k and self.config.sampling.continuity == "carried":
            carry = self._carry(torch.stack([track.carried for track in tracks]), draws)
        coins = self.mixture.coins(numpy_generator("remodiffuse coins", seed, k))
        self._evaluated += [sum(len(self.mixture.needed(step, coin)) for step, coin in enumerate(coins))] * len(tracks)
        return self._sampler.sample(noise, branches, self.mixture, coins, carry)

    def _retrieved(self, tracks: Sequence[Track], k: int) -> Samples | None:
        if self._database is None:
            return None
        found = [[hit.entry for hit in self._database.query(track.speech, track.window(k))] for track in tracks]
        return Samples.of(self._database, found)

    def _carry(self, known_BOF: Tensor, draws: Sequence[torch.Generator]) -> Predict:
        """Before each step the first frames become those of the windows before, noised to its level."""
        schedule, overlap = self._sampler.schedule, known_BOF.shape[1]
        shape = (len(schedule), overlap, known_BOF.shape[2])
        noise = torch.stack([torch.randn(shape, generator=draw) for draw in draws], 1)

        def before_step(x: Tensor, step: int) -> Tensor:
            everywhere = torch.ones(1, overlap, 1, dtype=torch.bool)
            known = overwrite(x[:, :overlap], known_BOF, everywhere, noise[step], float(schedule.alpha_bar[step]))
            return torch.cat((known, x[:, overlap:]), 1)

        return before_step
