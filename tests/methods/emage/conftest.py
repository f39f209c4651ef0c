"""EMAGE at toy size, with random weights."""

from types import SimpleNamespace

import pytest
import torch

from gesturebench.common.codecs.vq_config import ConvConfig, VQConfig
from gesturebench.common.codecs.vq_vae import VQVAE, ConvAutoencoder
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.methods.emage.config import EmageConfig
from gesturebench.methods.emage.decoding import MotionDecoder
from gesturebench.methods.emage.network import AudioModel

CONFIG = EmageConfig(
    hidden=16, audio=16, motion=16, codes=12, feed_forward=32, face_layers=1, cross_layers=2, speakers=3
)

WINDOW, SEED_FRAMES = CONFIG.window, CONFIG.seed_frames


@pytest.fixture(scope="module")
def build():
    """`build(tail="released", ...)` -> model, codecs, decoder and their configuration; always the same weights."""

    def networks(**overrides) -> SimpleNamespace:
        config = CONFIG.updated(overrides)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = AudioModel(config).eval()
            torch.nn.init.normal_(model.mask_embedding)
            size = VQConfig(width=config.codes, codes=config.codes, layers=1)
            codecs = {part: VQVAE(features, size).eval() for part, features in PART_FEATURES.items()}
            spread(codecs.values())
            global_motion = ConvAutoencoder(PART_FEATURES["lower"], ConvConfig(width=8, layers=1)).eval()
        decoder = MotionDecoder(config, codecs, global_motion)
        return SimpleNamespace(config=config, model=model, codecs=codecs, decoder=decoder)

    return networks


def spread(codecs) -> None:
    """Fresh codes lie within 1 / codes of zero: apart, they decode to visibly different motion."""
    for codec in codecs:
        torch.nn.init.normal_(codec.quantizer.embedding.weight)


@pytest.fixture(scope="module")
def toy(build) -> SimpleNamespace:
    return build()


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
