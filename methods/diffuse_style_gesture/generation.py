"""Generation: a batch of speeches goes through its windows in step, each window continuing the one before.

Legend: B windows, T frames, F features as the network sees them.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.checkpoint import load_weights
from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.speakers import body_shape
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.cross_local.diffusion import Draws, cosine_schedule, imposed, sample
from gesturebench.common.cross_local.fast import PreparedDenoiser
from gesturebench.common.cross_local.pose_features import FPS, motion_of
from gesturebench.common.cross_local.smoothing import smoothed
from gesturebench.common.cross_local.speech import CorpusSpeech, speech_rows, speech_width
from gesturebench.common.cross_local.starts import Starts
from gesturebench.common.cross_local.styles import style_of
from gesturebench.common.cross_local.track import Given, Track, standing_at, walk
from gesturebench.common.cross_local.training_poses import Standard
from gesturebench.common.device import device
from gesturebench.common.seeds import torch_generator
from gesturebench.methods.base import Control
from gesturebench.methods.diffuse_style_gesture.components import NETWORK, POSES, SPEECH
from gesturebench.methods.diffuse_style_gesture.config import DiffuseStyleGestureConfig
from gesturebench.methods.diffuse_style_gesture.fitting import build_network


class Generator:
    """Trained DiffuseStyleGesture."""

    def __init__(self, config: DiffuseStyleGestureConfig, artifacts: Mapping[str, Path], store: ClipStore):
        self.config, self._store = config, store
        self._network = build_network(config).eval().requires_grad_(False)
        load_weights(self._network, artifacts[NETWORK])
        self._network.to(device())
        sampling = config.sampling
        self._schedule = cosine_schedule(sampling.steps) if sampling.sampler == "ddim" else cosine_schedule()
        self._standard = Standard.load(artifacts[POSES], config.differences)
        frames = config.network.seed_frames
        self._starts = Starts(sampling.start, frames, store, artifacts[POSES], self._standard)
        self._corpus_speech = CorpusSpeech(store, config.speech, artifacts.get(SPEECH))

    def batch(
        self,
        speeches: Sequence[Speech],
        controls: Sequence[Control | None],
        seed: int,
        alive: Callable[[], None] = lambda: None,
    ) -> list[Motion]:
        """One motion per speech; a sample depends on (seed, clip id) and its control alone. `alive` is called between
        steps."""
        known = [self._given(control) for control in controls]
        tracks = [self._track(*both, seed) for both in zip(speeches, known, strict=True)]

        def sample(going: list[int], k: int) -> Tensor:
            return self._window([tracks[n] for n in going], [speeches[n] for n in going], k, seed, alive)

        walk(tracks, sample)
        return [self._motion(*one) for one in zip(tracks, speeches, controls, strict=True)]

    def _given(self, control: Control | None) -> Given | None:
        return None if control is None else Given.of(control.motion, control.mask, self._standard)

    def _track(self, speech: Speech, known: Given | None, seed: int) -> Track:
        generator = torch_generator("diffuse_style_gesture", "start", seed, speech.clip_id)
        start = self._starts.of(speech, self._corpus_speech, speech_width(self.config.speech), generator)
        audio = torch.from_numpy(np.array(speech_rows(speech, self.config.speech), np.float32))
        sizes, blend = self.config.network, self.config.sampling.blend
        return Track(speech.n_frames(FPS), audio, start, sizes, given=known, blend=blend)

    @torch.no_grad()
    def _window(
        self, tracks: Sequence[Track], speeches: Sequence[Speech], k: int, seed: int, alive: Callable[[], None]
    ) -> Tensor:
        """(B, T, F) the k-th window of every track."""
        where, sizes, sampling = device(), self.config.network, self.config.sampling
        audio, seeds = (torch.stack(rows).to(where) for rows in zip(*((t.heard(k), t.seed) for t in tracks)))
        style = torch.stack([style_of(speech.speaker, self.config.styles) for speech in speeches]).to(where)
        known, mask = (torch.stack(rows).to(where) for rows in zip(*(track.given(k) for track in tracks)))
        predict = PreparedDenoiser(self._network, audio, style, seeds, self._schedule.timesteps)
        draws = [torch_generator("diffuse_style_gesture", seed, speech.clip_id, k) for speech in speeches]
        noise = Draws(draws, (sizes.frames, self._standard.width), where)
        led = imposed(predict, known, mask, sampling.impose)
        return sample(led, noise(), self._schedule, sampling.sampler, noise, after_step=lambda _: alive()).cpu()

    def _motion(self, track: Track, speech: Speech, control: Control | None) -> Motion:
        """What is given is so after the smoothing too."""
        features = self._standard.back(track.rows())
        if self.config.sampling.smoothing == "released":
            features = track.put_back(smoothed(features), self._standard)
        begin = (0.0, 0.0) if control is None else standing_at(control.motion, control.mask)
        return motion_of(features, body_shape(self._store, speech.speaker), begin)
