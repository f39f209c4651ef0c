"""Generation: a batch of speeches goes through its windows in step, each window continuing the one before."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.checkpoint import load_weights
from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.speakers import body_shape
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.cross_local.pose_features import motion_of
from gesturebench.common.cross_local.smoothing import smoothed
from gesturebench.common.cross_local.speech import CorpusSpeech, speech_rows, speech_width
from gesturebench.common.cross_local.starts import Starts
from gesturebench.common.cross_local.styles import style_of
from gesturebench.common.cross_local.track import Given, Track, standing_at, walk
from gesturebench.common.cross_local.training_poses import Standard
from gesturebench.common.device import device
from gesturebench.common.seeds import torch_generator
from gesturebench.methods.base import Control
from gesturebench.methods.exges.components import NETWORK, POSES, SPEECH
from gesturebench.methods.exges.config import FPS, ExgesConfig
from gesturebench.methods.exges.fitting import build_network
from gesturebench.methods.exges.following import Followed
from gesturebench.methods.exges.sampler import ControlledSampler, Told


class Generator:
    """Trained ExGes."""

    def __init__(self, config: ExgesConfig, artifacts: Mapping[str, Path], store: ClipStore, followed: Followed):
        self.config, self._store = config, store
        network = build_network(config)
        load_weights(network.eval().requires_grad_(False), artifacts[NETWORK])
        self._sampler = ControlledSampler(network.to(device()), config.sampling)
        self._standard = Standard.load(artifacts[POSES])
        frames = config.network.seed_frames
        self._starts = Starts(config.sampling.start, frames, store, artifacts[POSES], self._standard)
        self._heard = CorpusSpeech(store, config.speech, artifacts.get(SPEECH))
        self._followed = followed

    def batch(
        self,
        speeches: Sequence[Speech],
        controls: Sequence[Control | None],
        seed: int,
        alive: Callable[[], None] = lambda: None,
    ) -> list[Motion]:
        """One motion per speech; a sample depends on (seed, clip id) and its control alone. `alive` is called between
        steps."""
        given = [self._followed.control(*one, seed) for one in zip(speeches, controls, strict=True)]
        known = [Given.of(one.motion, one.mask, self._standard) for one in given]
        tracks = [self._track(*one, seed) for one in zip(speeches, known, strict=True)]

        def sample(going: list[int], k: int) -> Tensor:
            return self._window([tracks[n] for n in going], [speeches[n] for n in going], k, seed, alive)

        walk(tracks, sample)
        begin = [standing_at(one.motion, one.mask) for one in given]
        return [self._motion(*one) for one in zip(tracks, speeches, begin, strict=True)]

    def _track(self, speech: Speech, known: Given, seed: int) -> Track:
        generator = torch_generator("exges start", seed, speech.clip_id)
        start = self._starts.of(speech, self._heard, speech_width(self.config.speech), generator)
        audio = torch.from_numpy(np.array(speech_rows(speech, self.config.speech), np.float32))
        sizes, blend = self.config.network, self.config.sampling.blend
        return Track(speech.n_frames(FPS), audio, start, sizes, given=known, blend=blend)

    def _window(
        self, tracks: Sequence[Track], speeches: Sequence[Speech], k: int, seed: int, alive: Callable[[], None]
    ) -> Tensor:
        """(B, T, F) the k-th window of every track."""
        audio, seeds = (torch.stack(rows) for rows in zip(*((track.heard(k), track.seed) for track in tracks)))
        known, mask = (torch.stack(rows) for rows in zip(*(track.given(k) for track in tracks)))
        style = torch.stack([style_of(speech.speaker, self.config.styles) for speech in speeches])
        generators = [torch_generator("exges", seed, speech.clip_id, k) for speech in speeches]
        return self._sampler.sample(Told(audio, style, seeds, known, mask), generators, lambda _: alive())

    def _motion(self, track: Track, speech: Speech, begin: tuple[float, float]) -> Motion:
        """What is imposed is so after the smoothing too."""
        features = self._standard.back(track.rows())
        if self.config.sampling.smoothing == "released":
            features = smoothed(features)
        if self._sampler.impose != "none":
            features = track.put_back(features, self._standard)
        return motion_of(features, body_shape(self._store, speech.speaker), begin)
