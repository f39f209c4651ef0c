"""What training costs: drawing beside computing, and the choices of precision and of parts, at the sizes `demo` and
`paper`. Windows per second are of processor time on one thread.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gesturebench.common.checkpoint import save_weights
from gesturebench.common.codecs.latent_windows import LatentWindows
from gesturebench.common.codecs.part_codec import (
    LATENTS,
    PartCodecs,
    PartWindows,
    drawn_noise,
    latent,
    latent_statistics,
    part_config,
    sampled,
    vae_losses,
)
from gesturebench.common.codecs.part_vae import PartVAE
from gesturebench.common.corpus.standin.generate import generate_corpus
from gesturebench.common.corpus.standin.presets import StandinPreset
from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.distributed import Ranks
from gesturebench.common.files import write_npz
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.optimisation import Batch, LossesOf, Optimisation
from gesturebench.methods.rag_gesture import conditions
from gesturebench.methods.rag_gesture.config import PRESETS, RagGestureConfig
from gesturebench.methods.rag_gesture.denoiser import Conditions, Denoiser
from gesturebench.methods.rag_gesture.fitting import build_denoiser, denoising_losses, diffusion_draws
from gesturebench.methods.rag_gesture.layout import TokenLayout

DEMO, PAPER = PRESETS["demo"], PRESETS["paper"]
SIZES = {"demo": (DEMO, 16), "paper": (PAPER, 2)}
"""Configuration and batch; the paper's batch of 128 is 64 of these in parts."""
TEXT, AUDIO, AUDIO_ROWS = 768, 768, 499
"""Widths of BERT and wav2vec2, and rows of the latter in a window of ten seconds."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ClipStore:
    corpus, out = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("store")
    generate_corpus(StandinPreset(speakers=2, clips=6, sentences=6), corpus, workers=1)
    build_store(corpus, out)
    return ClipStore.open(out)


@pytest.fixture(scope="module")
def codecs(tmp_path_factory) -> PartCodecs:
    """Of demo size, untrained: what they cost does not depend on their weights."""
    folders: dict[str, Path] = {}
    for part in PART_NAMES:
        folders[part] = tmp_path_factory.mktemp(part)
        vae = PartVAE(part_config(DEMO.codec, part), PART_FEATURES[part]).eval()
        save_weights(vae, folders[part])
        write_npz(folders[part] / LATENTS, **latent_statistics(vae, torch.randn(2, 150, PART_FEATURES[part])))
    return PartCodecs(DEMO.codec, folders)


def draws(windows: LatentWindows, count: int = 16):
    return windows.draw(count, torch.Generator().manual_seed(0))


def test_windows_are_converted_together(versus, store):
    """The features of a batch for one part, to the bit those of each window."""
    windows = PartWindows(store, "train", DEMO.codec)
    drawn = windows.draw(16, torch.Generator().manual_seed(0))

    def one_by_one() -> Tensor:
        return torch.stack([windows.features(window, ("lower",))["lower"] for window in drawn])

    assert torch.equal(windows.features_of(drawn, ("lower",))["lower"], one_by_one())
    assert versus(lambda: windows.features_of(drawn, ("lower",)), one_by_one, rounds=9) > 1.5


def test_latents_are_kept(versus, store, codecs):
    """Beside converting and encoding every drawn window anew, as released code does, though all together here."""
    kept, windows = LatentWindows(store, "train", codecs), PartWindows(store, "train", DEMO.codec)
    drawn = draws(kept)

    def anew() -> list[Tensor]:
        features = windows.features_of(drawn)
        posteriors = (codecs.posterior(part, features[part]) for part in PART_NAMES)
        return [latent(*posterior, DEMO.codec, torch.Generator()) for posterior in posteriors]

    for fast, slow in zip(kept.latents(drawn, torch.Generator()), anew(), strict=True):
        torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-5)
    assert versus(lambda: kept.latents(drawn, torch.Generator()), anew, rounds=9) > 1.5


def test_share_of_drawing(benchmark, store, codecs):
    """Of a step of the denoiser at demo size, once every clip has been encoded."""
    windows = LatentWindows(store, "train", codecs)
    optimisation, losses_of, _ = denoiser_step("demo")
    layout = optimisation.model.layout

    def draw() -> Batch:
        g = torch.Generator().manual_seed(0)
        drawn = windows.draw(16, g)
        told = conditions.stored(store, drawn, DEMO.conditions)
        x0 = layout.join(windows.latents(drawn, g))
        return {"x0": x0, **vars(told), **diffusion_draws(x0, 0.1, g)}

    batch, drawing = draw(), cpu_seconds(draw)
    learning = cpu_seconds(lambda: step(optimisation, losses_of, batch))
    benchmark.extra_info |= {"drawing_ms": 1e3 * drawing, "step_ms": 1e3 * learning}
    benchmark.extra_info["share"] = drawing / (drawing + learning)
    benchmark.pedantic(draw, rounds=3)


def denoiser_of(size: str) -> Denoiser:
    config: RagGestureConfig = SIZES[size][0]
    if size == "demo":
        return build_denoiser(config)[0]
    layout = TokenLayout(config.codec.frames // config.codec.vae.chunk)
    return Denoiser(config.denoiser, layout, latent=config.codec.vae.width, text=TEXT, audio=AUDIO)


def denoiser_step(size: str, **training) -> tuple[Optimisation, LossesOf, Batch]:
    """The denoiser of a size, its losses, and a batch of noise."""
    config, rows = SIZES[size]
    denoiser, g = denoiser_of(size).train(), torch.Generator().manual_seed(0)
    text, audio = denoiser.text_pre_proj.in_features, denoiser.audio_pre_proj.in_features
    slots, width = denoiser.layout.slots, config.codec.vae.width
    x0 = denoiser.layout.join([torch.randn(rows, slots, width, generator=g) for _ in PART_NAMES])
    audio_rows = AUDIO_ROWS if size == "paper" else config.codec.frames
    told = Conditions(
        torch.randn(rows, config.codec.frames, text, generator=g),
        torch.randn(rows, audio_rows, audio, generator=g),
        torch.zeros(rows, dtype=torch.long),
    )
    budget = config.training.updated({"batch": rows, **training})

    def losses_of(batch: Batch):
        return denoising_losses(denoiser, batch, config.denoiser.part_weights)

    return Optimisation(denoiser, budget, Ranks()), losses_of, {"x0": x0, **vars(told), **diffusion_draws(x0, 0.1, g)}


def vae_step(size: str, **training) -> tuple[Optimisation, LossesOf, Batch]:
    """The VAE of the hands of a size, its losses, and a batch of noise."""
    codec, rows = SIZES[size][0].codec, min(8, SIZES[size][1])
    vae, g = PartVAE(part_config(codec, "hands"), PART_FEATURES["hands"]).train(), torch.Generator().manual_seed(0)
    batch = {"x": torch.randn(rows, codec.frames, PART_FEATURES["hands"], generator=g), **drawn_noise(rows, codec, g)}

    def losses_of(batch: Batch):
        mean, log_variance = vae.posterior(batch["x"])
        y = vae.decode(sampled(mean, log_variance, batch.get("noise")))
        return vae_losses(batch["x"], y, mean, log_variance, (1.0, 1.0, 1.0), codec)

    return Optimisation(vae, codec.training.updated({"batch": rows, **training}), Ranks()), losses_of, batch


STEPS = {"denoiser": denoiser_step, "part VAE": vae_step}


def step(optimisation: Optimisation, losses_of: LossesOf, batch: Batch) -> None:
    count = optimisation.config.accumulate
    optimisation.clear()
    for k in range(count):
        optimisation.backward(losses_of, {name: rows.chunk(count)[k] for name, rows in batch.items()})
    optimisation.step()


def cpu_seconds(function: Callable[[], object], rounds: int = 5) -> float:
    """The least processor time of several rounds after a first one."""
    function()
    found = []
    for _ in range(rounds):
        began = time.process_time()
        function()
        found.append(time.process_time() - began)
    return min(found)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("what", STEPS)
def test_windows_per_second(benchmark, what, size):
    """Forward, backward and optimiser, on batches that are there."""
    optimisation, losses_of, batch = STEPS[what](size)
    rows = optimisation.config.batch
    seconds = cpu_seconds(lambda: step(optimisation, losses_of, batch), 5 if size == "demo" else 2)
    parameters = sum(parameter.numel() for parameter in optimisation.parameters)
    benchmark.extra_info |= {"windows_per_s": rows / seconds, "step_ms": 1e3 * seconds, "parameters": parameters}
    benchmark.pedantic(lambda: None, rounds=1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("what", STEPS)
def test_bfloat16(versus, what, size):
    """The ratio says how many times longer float32 takes. It pays where the processor multiplies bfloat16 itself."""
    half, plain = STEPS[what](size, precision="bfloat16"), STEPS[what](size)
    versus(lambda: step(*half), lambda: step(*plain), rounds=5 if size == "demo" else 2)


@pytest.mark.parametrize("count", [2, 8])
def test_parts_of_a_batch(versus, count):
    """The ratio says how many times longer a step in parts takes than one of the whole batch, at demo size."""
    whole, parts = denoiser_step("demo"), denoiser_step("demo", accumulate=count)
    versus(lambda: step(*whole), lambda: step(*parts), rounds=5)


def test_moving_average(versus):
    """The ratio says how many times longer a step with the average takes, at demo size."""
    without, averaged = denoiser_step("demo"), denoiser_step("demo", ema=0.999)
    versus(lambda: step(*without), lambda: step(*averaged), rounds=9)


def test_a_checkpoint(benchmark, tmp_path):
    """Of the denoiser of demo size, with its optimiser; every hundred steps there is one."""
    from gesturebench.common.resuming import save_checkpoint

    optimisation, losses_of, batch = denoiser_step("demo")
    step(optimisation, losses_of, batch)
    state = {**optimisation.state_dict(), "step": 1, "curve": [], "draws": {}, "seconds": 0.0, "drawing": 0.0}
    benchmark(lambda: save_checkpoint(tmp_path, state))
    benchmark.extra_info["mb"] = (tmp_path / "checkpoint-000000001.pt").stat().st_size / 2**20
