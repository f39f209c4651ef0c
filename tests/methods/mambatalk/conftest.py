"""MambaTalk with random weights at toy size: what follows from the architecture needs no training."""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from gesturebench.common.codecs.part_vqs import PartVQs
from gesturebench.common.codecs.vq_vae import VQVAE, ConvAutoencoder
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.methods.mambatalk.channels import Channels
from gesturebench.methods.mambatalk.config import PRESETS, MambaTalkConfig
from gesturebench.methods.mambatalk.decoding import Decoder
from gesturebench.methods.mambatalk.inference import Talker, Track
from gesturebench.methods.mambatalk.network import Network

WORDS = 512


@dataclass
class Untrained:
    """A network and priors of random numbers; `track` is a speech of noise."""

    config: MambaTalkConfig
    network: Network
    decoder: Decoder

    @classmethod
    def of(cls, seed: int = 0, **overrides) -> "Untrained":
        config = PRESETS["tiny"].updated(overrides)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = Network(config)
            codecs = {part: VQVAE(features, config.priors.part_codec(part)) for part, features in PART_FEATURES.items()}
            for codec in codecs.values():
                torch.nn.init.normal_(codec.quantizer.embedding.weight)
            priors = PartVQs.of(codecs, ConvAutoencoder(61, config.priors.global_motion))
            settle(network)
        return cls(config, network.eval().requires_grad_(False), Decoder(config, priors))

    def talker(self) -> Talker:
        """Of a copy, as it changes its network."""
        return Talker(deepcopy(self.network), self.decoder, self.config)

    def track(self, frames: int, seed: int = 0) -> Track:
        draw = np.random.default_rng(seed)
        audio = draw.normal(0, 0.1, -(-frames * 16_000 // 30)).astype(np.float32)
        letters = draw.integers(0, 32, max(1, frames * 5 // 3)).astype(np.float32)
        words = draw.integers(0, WORDS, frames)
        start = torch.from_numpy(draw.normal(0, 1, (self.config.network.seed_frames, 337)).astype(np.float32))
        return Track(Channels(audio, letters), words, int(draw.integers(25)), start, (0.3, -0.2), self.config)


@torch.no_grad()
def settle(network: Network) -> None:
    """Norms of the speech encoders with statistics, hidden frames with a query: as if trained."""
    network.global_scan.learnable_query.normal_()
    for branch, features in (("face", 3), ("body", 2)):
        encoder = network.get_submodule(f"audio_pre_encoder_{branch}").train()
        for _ in range(3):
            encoder(torch.randn(2, 8000, features))
    network.eval()


@pytest.fixture
def untrained():
    return Untrained.of
