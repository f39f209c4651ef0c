"""Generation with the trained audio model: what the network is told of each speech, and its answer as motion."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from gesturebench.common.checkpoint import load_weights
from gesturebench.common.codecs.part_vqs import PartVQs
from gesturebench.common.codecs.prior_windows import PriorWindows
from gesturebench.common.codecs.reconstruction import padded
from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.speakers import body_shape, training_start
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.device import device
from gesturebench.common.motion.skeleton import JOINT
from gesturebench.common.nn.packed import lay_out
from gesturebench.common.seeds import torch_generator
from gesturebench.methods.base import Control
from gesturebench.methods.emage.config import FPS, EmageConfig
from gesturebench.methods.emage.decoding import MotionDecoder
from gesturebench.methods.emage.fitting import SPLIT, speaker_row
from gesturebench.methods.emage.hints import Hint, hint_of
from gesturebench.methods.emage.inference import Told, predict
from gesturebench.methods.emage.network import AudioModel


def trained(config: EmageConfig, artifacts: Mapping[str, Path], store: ClipStore) -> "Generator":
    """From the artifacts of the components; for inference alone, as norms are folded and weights laid out anew."""
    model = AudioModel(config.network, config.priors.codec)
    load_weights(model, artifacts["audio_model"])
    for encoder in (model.audio_encoder_face, model.audio_encoder_body):
        encoder.fold()
    lay_out(model)
    return Generator(config, model, PartVQs(config.priors, artifacts), store)


class Generator:
    """The audio model and the priors, and the training clips that a motion may start from."""

    def __init__(self, config: EmageConfig, model: AudioModel, vqs: PartVQs, store: ClipStore):
        self.config, self._store = config, store
        self._decoder = MotionDecoder(config.generation, vqs)
        self._model = model.eval().requires_grad_(False).to(device())
        self._windows = PriorWindows(store, SPLIT, config.network.seed_frames, 1)

    def batch(
        self,
        speeches: Sequence[Speech],
        controls: Sequence[Control | None],
        seed: int,
        alive: Callable[[], None] = lambda: None,
    ) -> list[Motion]:
        """One motion per speech; a sample depends on (seed, clip id) and its control alone. `alive` is called between
        windows."""
        told = [self.told(*both, seed) for both in zip(speeches, controls, strict=True)]
        found = predict(self._model, self._decoder, told, self.config, alive)
        motions = []
        for speech, control, predicted in zip(speeches, controls, found, strict=True):
            betas = body_shape(self._store, speech.speaker)
            motion = self._decoder.motion(predicted, betas, _standing_at(control))
            motions.append(padded(motion, speech.n_frames(FPS)))
        return motions

    def told(self, speech: Speech, control: Control | None, seed: int) -> Told:
        """What the network is told of a speech."""
        frames = speech.n_frames(FPS)
        hint = Hint.nothing(frames) if control is None else hint_of(control, self._store.joints).covering(frames)
        if self.config.generation.start == "training":
            hint = hint.beginning(self._start(speech, seed))
        audio = torch.from_numpy(speech.audio.copy())
        return Told(audio, speaker_row(speech.speaker, self.config.network.speakers), hint)

    def _start(self, speech: Speech, seed: int) -> torch.Tensor:
        """(1, N, M) frames that the first window continues."""
        generator = torch_generator("emage", "start", seed, speech.clip_id)
        window = training_start(self._store, speech.speaker, self.config.network.seed_frames, generator)
        return self._windows.channels([window])


def _standing_at(control: Control | None) -> tuple[float, float]:
    """Where a motion begins: at the origin, or where the root is given."""
    if control is None or not control.mask[0, JOINT["pelvis"]]:
        return 0.0, 0.0
    x, _, z = control.motion.trans[0]
    return float(x), float(z)
