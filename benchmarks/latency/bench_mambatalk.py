"""MambaTalk at its published size, random weights: hearing and whole walks beside a plain restatement, and that time
per second of speech does not grow with the length.

The real-time factor is wall time over speech with as many threads as torch has (GESTUREBENCH_THREADS=2 for two cores).
"""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

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
ROUNDS = {10: 3}
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


def test_time_per_second_of_speech(benchmark, published, talker):
    """From channels to motion, ten seconds to ten minutes in one run. Of every length: wall time over speech, what all
    threads took of it, and how far memory rose above what there was before; of the longest beside the shortest: how
    many times as long a second takes."""
    rows = benchmark.pedantic(lambda: [measured(published, talker, seconds) for seconds in LENGTHS_S], rounds=1)
    for seconds, (wall, cpu, memory) in zip(LENGTHS_S, rows, strict=True):
        told = {"real_time_factor": wall / seconds, "cpu_s_per_s": cpu / seconds, "grown_mb": memory}
        benchmark.extra_info |= {f"{name} of {seconds} s": value for name, value in told.items()}
    benchmark.extra_info |= {
        "growth": (rows[-1][0] / LENGTHS_S[-1]) / (rows[0][0] / LENGTHS_S[0]),
        "threads": torch.get_num_threads(),
        "device": str(device()),
    }


def measured(published: Published, talker: Talker, seconds: int) -> tuple[float, float, float]:
    """Wall time and time of all threads, s, medians where speech is short, and memory, MB."""
    times, before = [], resident_mb("VmRSS")
    forget_peak()
    for _ in range(ROUNDS.get(seconds, 1)):
        track, began, used = published.track(seconds), time.perf_counter(), time.process_time()
        talker.walk([track])
        motion = talker.motion(track, None)
        times.append((time.perf_counter() - began, time.process_time() - used))
        assert motion.n_frames == seconds * FPS
    wall, cpu = (statistics.median(side) for side in zip(*times, strict=True))
    return wall, cpu, resident_mb("VmHWM") - before


def resident_mb(kind: str) -> float:
    """Resident memory now (VmRSS), or at its highest since `forget_peak` (VmHWM); Linux."""
    return int(Path("/proc/self/status").read_text().split(f"{kind}:")[1].split()[0]) / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")
