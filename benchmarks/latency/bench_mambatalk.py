"""MambaTalk at its published size, random weights: hearing and whole walks beside a plain restatement, and that time
per second of speech does not grow with the length.

The real-time factor is wall time over speech with as many threads as torch has (set OMP_NUM_THREADS=2 for two cores).
"""

import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from benchmarks.latency.plain_mambatalk import plain_walk
from gesturebench.common.codecs.part_vqs import PartVQs
from gesturebench.common.codecs.vq_vae import VQVAE, ConvAutoencoder
from gesturebench.common.device import device
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.methods.mambatalk.channels import Channels
from gesturebench.methods.mambatalk.config import PRESETS, MambaTalkConfig
from gesturebench.methods.mambatalk.decoding import Decoder
from gesturebench.methods.mambatalk.inference import Talker, Track
from gesturebench.methods.mambatalk.network import Network

FPS, RATE = 30, 16_000
LENGTHS_S = (10, 60, 600)
COMPARED_S = 15


@dataclass
class Published:
    """Networks of the published sizes."""

    config: MambaTalkConfig
    decoder: Decoder

    @classmethod
    def made(cls) -> "Published":
        config = PRESETS["paper"]
        torch.manual_seed(0)
        codecs = {part: VQVAE(features, config.priors.part_codec(part)) for part, features in PART_FEATURES.items()}
        for codec in codecs.values():
            torch.nn.init.normal_(codec.quantizer.embedding.weight)
        return cls(config, Decoder(config, PartVQs.of(codecs, ConvAutoencoder(61, config.priors.global_motion))))

    def network(self) -> Network:
        torch.manual_seed(1)
        return Network(self.config).eval().requires_grad_(False)

    def track(self, seconds: float) -> Track:
        draw, frames = np.random.default_rng(0), round(seconds * FPS)
        audio = draw.normal(0, 0.1, round(seconds * RATE)).astype(np.float32)
        letters = draw.integers(0, 32, max(1, round(seconds * 50))).astype(np.float32)
        start = torch.from_numpy(draw.normal(0, 1, (self.config.network.seed_frames, 337)).astype(np.float32))
        return Track(Channels(audio, letters), draw.integers(0, 11_195, frames), 1, start, (0.0, 0.0), self.config)


@pytest.fixture(scope="module")
def published() -> Published:
    return Published.made()


@pytest.fixture(scope="module")
def talker(published) -> Talker:
    return Talker(published.network().to(device()), published.decoder, published.config)


def walked(talker: Talker, track: Track) -> dict[str, torch.Tensor]:
    talker.walk([track])
    return track.windows()


@torch.inference_mode()
def test_hearing_eight_windows(versus, published):
    """Both speech encoders: norms folded and windows together, beside one window after another."""
    network = published.network()
    encoders = [(network.audio_pre_encoder_face, 3), (network.audio_pre_encoder_body, 2)]
    folded = [(encoder.folded(), features) for encoder, features in encoders]
    x = torch.randn(8, 34_133, 3)

    def fast():
        return [encoder(x[..., :features]) for encoder, features in folded]

    def plain():
        return [torch.cat([encoder(row[None, :, :features]) for row in x]) for encoder, features in encoders]

    for a, b in zip(fast(), plain(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    versus(fast, plain, rounds=3)


def test_a_whole_walk(versus, published, talker):
    """The same codes, where no two of them are equally good up to rounding."""
    network = published.network()

    def plain():
        return plain_walk(network, published.decoder, published.track(COMPARED_S), published.config)

    fast, slow = walked(talker, published.track(COMPARED_S)), plain()
    same = {part: float((fast[part] == x).float().mean()) for part, x in slow.items()}
    assert min(same.values()) > 0.99, same
    versus(lambda: walked(talker, published.track(COMPARED_S)), plain, rounds=2)


@pytest.mark.parametrize("seconds", LENGTHS_S)
def test_time_per_second_of_speech(benchmark, published, talker, seconds):
    """From channels to motion; `real_time_factor` is wall time, `cpu_s_per_s` what all threads took."""
    began, used = time.perf_counter(), time.process_time()
    track = published.track(seconds)
    benchmark.pedantic(lambda: talker.walk([track]), rounds=1)
    motion = talker.motion(track, None)
    assert motion.n_frames == seconds * FPS
    benchmark.extra_info |= {
        "real_time_factor": (time.perf_counter() - began) / seconds,
        "cpu_s_per_s": (time.process_time() - used) / seconds,
        "threads": torch.get_num_threads(),
        "device": str(device()),
    }
