"""EMAGE at toy size, with random weights."""

from types import SimpleNamespace

import pytest
import torch

from gesturebench.common.codecs.part_vqs import PartVQs
from gesturebench.common.codecs.vq_config import PriorConfig, VQConfig
from gesturebench.common.codecs.vq_vae import VQVAE, ConvAutoencoder
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.methods.emage.config import EmageConfig, NetworkConfig
from gesturebench.methods.emage.decoding import MotionDecoder, Predicted
from gesturebench.methods.emage.hints import Hint
from gesturebench.methods.emage.inference import Told, predict
from gesturebench.methods.emage.network import AudioModel, Prediction
from tests.parity.cases.emage import whole

CONFIG = EmageConfig(
    priors=PriorConfig(codec=VQConfig(width=12, codes=12, layers=1), lower_layers=1),
    network=NetworkConfig(hidden=16, audio=16, motion=16, feed_forward=32, face_layers=1, cross_layers=2, speakers=25),
    training={},
)

WINDOW, SEED_FRAMES = CONFIG.network.window, CONFIG.network.seed_frames
OVERLAP = CONFIG.generation.overlap


class Toy(SimpleNamespace):
    """`config`, `model`, `vqs` and `decoder`."""

    def predict(self, *told: Told) -> list[Predicted]:
        return predict(self.model, self.decoder, told, self.config)

    def whole(self, *told: Told) -> list[Prediction]:
        """Of all frames of each speech; those that windows share are the second one's."""
        return [whole(predicted) for predicted in self.predict(*told)]


@pytest.fixture(scope="module")
def build():
    """`build(tail="released", ...)` -> networks with these settings of generation; always the same weights."""

    def networks(**generation) -> Toy:
        config = CONFIG.updated({"generation": generation})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = AudioModel(config.network, config.priors.codec).eval().requires_grad_(False)
            torch.nn.init.normal_(model.mask_embedding)
            codecs = {part: VQVAE(features, config.priors.part_codec(part)) for part, features in PART_FEATURES.items()}
            spread(codecs.values())
            vqs = PartVQs.of(codecs, ConvAutoencoder(PART_FEATURES["lower"], config.priors.global_motion))
        return Toy(config=config, model=model, vqs=vqs, decoder=MotionDecoder(config.generation, vqs))

    return networks


def spread(codecs) -> None:
    """Fresh codes lie within 1 / codes of zero: apart, they decode to visibly different motion."""
    for codec in codecs:
        torch.nn.init.normal_(codec.quantizer.embedding.weight)


@pytest.fixture(scope="module")
def toy(build) -> Toy:
    return build()


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def speech(frames: int, seed: int = 0) -> torch.Tensor:
    """(S,) so many samples as `frames` frames have."""
    return noise(-(-frames * 16_000 // 30), seed=seed)


def told(frames: int, hint: Hint | None = None, *, speaker: int = 0, seed: int = 0) -> Told:
    return Told(speech(frames, seed), speaker, hint or Hint.nothing(frames))
