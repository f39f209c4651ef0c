"""Generation: speeches become tracks, tracks walk through their windows in step."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from gesturebench.common.checkpoint import load_weights
from gesturebench.common.codecs.reconstruction import padded
from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.names import dense_speaker
from gesturebench.common.corpus.speakers import body_shape
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.device import device
from gesturebench.common.errors import InputError
from gesturebench.methods.base import Control
from gesturebench.methods.mambatalk.channels import Channels
from gesturebench.methods.mambatalk.config import MambaTalkConfig
from gesturebench.methods.mambatalk.decoding import Decoder, read_priors
from gesturebench.methods.mambatalk.inference import Talker, Track
from gesturebench.methods.mambatalk.network import Network
from gesturebench.methods.mambatalk.start import Starts, X, Z
from gesturebench.methods.mambatalk.tokens import heard_audio, tokens_of
from gesturebench.methods.mambatalk.windows import FPS
from gesturebench.methods.mambatalk.words import word_rows, word_table


class Generator:
    """Trained MambaTalk."""

    def __init__(self, config: MambaTalkConfig, artifacts: Mapping[str, Path], store: ClipStore):
        self._config, self._store = config, store
        self._words = word_table(config.speech, store)
        network = Network(config)
        load_weights(network, artifacts["network"])
        decoder = Decoder(config, read_priors(config, artifacts))
        self._talker = Talker(network.to(device()), decoder, config)
        self._starts = Starts(store, config.network.seed_frames)

    def batch(
        self,
        speeches: Sequence[Speech],
        controls: Sequence[Control | None],
        seed: int,
        alive: Callable[[], None] = lambda: None,
    ) -> list[Motion]:
        """One motion per speech; `alive` is called between windows."""
        tracks = [self._track(*both, seed) for both in zip(speeches, controls, strict=True)]
        self._talker.walk(tracks, alive)
        motions = []
        for track, speech in zip(tracks, speeches, strict=True):
            motion = self._talker.motion(track, body_shape(self._store, speech.speaker))
            motions.append(padded(motion, speech.n_frames(FPS)))
        return motions

    def _track(self, speech: Speech, control: Control | None, seed: int) -> Track:
        told, first = self._config.speech, self._first_frames(speech, control, seed)
        return Track(
            Channels(heard_audio(speech, told), tokens_of(speech, told)),
            word_rows(speech.words, self._words, speech.n_frames(FPS)),
            dense_speaker(speech.speaker),
            first,
            (float(first[0, X]), float(first[0, Z])),
            self._config,
        )

    def _first_frames(self, speech: Speech, control: Control | None, seed: int) -> Tensor:
        """(N, M)."""
        start, frames = self._config.generation.start, self._config.network.seed_frames
        if start == "rest":
            return self._starts.rest()
        if start == "training":
            return self._starts.training(speech.speaker, seed, speech.clip_id)
        if control is None or not control.mask[:frames].all():
            raise InputError(
                f"generation.start = reference, and no motion was given for {speech.clip_id}",
                expected=f"all joints in its first {frames} frames",
                remedy="set generation.start=training, or use this row on a corpus",
            )
        return self._starts.given(control.motion)
