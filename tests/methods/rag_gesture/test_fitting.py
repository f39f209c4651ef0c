"""What the denoiser is trained on and by: draws, part weights, windows of every phase, and the published part VAE."""

import math

import pytest
import torch

from gesturebench.common.budget import Training
from gesturebench.common.codecs.config import CodecConfig
from gesturebench.common.codecs.latent_windows import LatentWindows
from gesturebench.common.codecs.part_codec import (
    PartCodecs,
    PartWindows,
    feature_scale,
    fit_part_vae,
    part_config,
    sampled,
    vae_losses,
)
from gesturebench.common.codecs.part_vae import PartVAE
from gesturebench.common.distributed import Ranks
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json
from gesturebench.common.fitting import CURVE, FitContext
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.optimisation import Optimisation
from gesturebench.methods.rag_gesture.config import PRESETS, PartWeights
from gesturebench.methods.rag_gesture.denoiser import Conditions
from gesturebench.methods.rag_gesture.fitting import build_denoiser, denoising_losses, diffusion_draws, token_weights
from gesturebench.methods.rag_gesture.layout import TokenLayout

CONFIG = PRESETS["tiny"]


def batch_of(denoiser, layout, rows: int = 3) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    x0 = layout.join([torch.randn(rows, layout.slots, CONFIG.codec.vae.width, generator=g) for _ in PART_NAMES])
    text, audio = denoiser.text_pre_proj.in_features, denoiser.audio_pre_proj.in_features
    told = Conditions(
        torch.randn(rows, 8, text, generator=g), torch.randn(rows, 8, audio, generator=g), torch.arange(rows)
    )
    return {"x0": x0, **vars(told), **diffusion_draws(x0, 0.1, g)}


def test_draws_have_the_published_distribution():
    """The released rule, an integer from 0 to 99 that drops the conditions where it is a multiple of ten, drops ten of
    a hundred; 20000 rows are within five standard deviations of that."""
    rows = 20_000
    draws = diffusion_draws(torch.zeros(rows, 1, 1), 0.1, torch.Generator().manual_seed(0))
    released = sum(number % 10 == 0 for number in range(100)) / 100
    share = (~draws["keep"]).double().mean().item()
    assert abs(share - released) < 5 * math.sqrt(0.1 * 0.9 / rows)
    counts = torch.bincount(draws["t"], minlength=1000)
    assert len(counts) == 1000
    assert abs(draws["t"].double().mean().item() - 499.5) < 5 * math.sqrt((1000**2 - 1) / 12 / rows)
    assert counts.max() < 20 + 6 * math.sqrt(20)


def test_whether_conditions_are_kept_depends_on_nothing_else():
    """Dropped and kept rows see the same timesteps and noise on average."""
    draws = diffusion_draws(torch.zeros(20_000, 1, 1), 0.5, torch.Generator().manual_seed(1))
    for name, scale in (("t", 1000 / math.sqrt(12)), ("noise", 1.0)):
        values = draws[name].double().flatten()
        gap = values[draws["keep"]].mean() - values[~draws["keep"]].mean()
        assert abs(gap) < 5 * scale * 2 / math.sqrt(20_000), name


def test_part_weights_scale_the_parts():
    denoiser, layout = build_denoiser(CONFIG)
    batch = batch_of(denoiser, layout)
    weights = PartWeights(upper=2.0, hands=0.0, face=0.5, lower=1.5)
    losses = denoising_losses(denoiser, batch, weights)
    expected = sum(getattr(weights, part) * losses[part] for part in PART_NAMES) / 4
    torch.testing.assert_close(losses["loss"], expected)
    plain = denoising_losses(denoiser, batch, PartWeights())
    for part in PART_NAMES:
        assert torch.equal(plain[part], losses[part]), "weights change what is minimised, not what is reported"


def test_separators_weigh_nothing():
    layout = TokenLayout(3)
    assert torch.equal(token_weights(layout, PartWeights()), layout.mask())
    weights = token_weights(layout, PartWeights(lower=7.0))
    assert weights[layout.part("lower")].tolist() == [7.0] * 3
    assert weights[list(layout.separators)].tolist() == [0.0] * 3


def test_a_part_without_weight_gives_no_gradient():
    denoiser, layout = build_denoiser(CONFIG)
    losses = denoising_losses(denoiser, batch_of(denoiser, layout), PartWeights(upper=0.0, face=0.0, lower=0.0))
    found, hands = (
        torch.autograd.grad(loss, denoiser.out.weight, retain_graph=True)[0]
        for loss in (losses["loss"], losses["hands"] / 4)
    )
    assert hands.abs().max() > 0
    torch.testing.assert_close(found, hands)


@pytest.mark.parametrize("query_mask", ["none", "separators", "released"])
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_reduced_precision_survives_dropped_conditions_and_masks(precision, query_mask):
    """Both are numbers of a million, which float16 does not have."""
    denoiser, layout = build_denoiser(CONFIG.updated({"denoiser": {"query_mask": query_mask}}))
    generator = torch.Generator().manual_seed(0)
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.05, generator=generator)
    batch = {**batch_of(denoiser, layout), "keep": torch.tensor([True, False, True])}
    found = {}
    for name in ("float32", precision):
        optimisation = Optimisation(denoiser, Training(batch=3, precision=name), Ranks())
        optimisation.clear()
        losses = optimisation.backward(lambda part: denoising_losses(denoiser, part, PartWeights()), batch)
        gradients = [p.grad.flatten() for p in denoiser.parameters() if p.grad is not None]
        found[name] = losses["loss"].item(), torch.cat(gradients)
    assert found[precision][0] == pytest.approx(found["float32"][0], rel=1e-2)
    scale = 2.0**16 if precision == "float16" else 1.0
    gap = found[precision][1] / scale - found["float32"][1]
    assert gap.norm() < 0.1 * found["float32"][1].norm()


def test_weights_and_strides_that_cannot_be_are_refused():
    with pytest.raises(InputError, match=r"part_weights.hands = -1.0; expected greater than or equal to 0"):
        CONFIG.updated({"denoiser": {"part_weights": {"hands": -1.0}}})
    with pytest.raises(InputError, match=r"window_stride = 0; expected greater than or equal to 1"):
        CONFIG.updated({"denoiser": {"window_stride": 0}})


@pytest.fixture(scope="module")
def codecs(small) -> PartCodecs:
    folders = {part: small.artifacts("rag_gesture")[f"vae_{part}"] for part in PART_NAMES}
    return PartCodecs(small.config("rag_gesture").codec, folders)


@pytest.mark.parametrize(("stride", "phases"), [(None, 1), (5, 1), (1, 5), (2, 5), (10, 1)])
def test_windows_of_every_phase_are_encoded_as_if_alone(store, codecs, stride, phases):
    """A window's latents are those of its own frames, whichever start it has; a clip is encoded once per phase."""
    cached, windows = LatentWindows(store, "train", codecs, stride=stride), PartWindows(store, "train", codecs.config)
    assert cached.phases == phases
    drawn = cached.draw(12, torch.Generator().manual_seed(2))
    frame = 30 // codecs.config.fps
    assert all(window.start % ((stride or 5) * frame) == 0 for window in drawn)
    for _ in range(2):  # the second time from what was kept
        latents = cached.latents(drawn, torch.Generator().manual_seed(3))
    for row, window in enumerate(drawn):
        features = windows.features(window)
        for part, z in zip(PART_NAMES, latents, strict=True):
            alone = codecs.posterior(part, features[part][None])[0][0]
            torch.testing.assert_close(z[row], alone, atol=1e-5, rtol=1e-5)


def test_windows_of_a_batch_are_converted_as_one(store, codecs):
    """To the bit: conversion works frame by frame."""
    windows = PartWindows(store, "train", codecs.config)
    drawn = windows.draw(7, torch.Generator().manual_seed(4))
    together = windows.features_of(drawn)
    for row, window in enumerate(drawn):
        for part, features in windows.features(window).items():
            assert torch.equal(together[part][row], features), part
            assert (features[0, 54:57:2] == 0).all() or part != "lower", "x and z start at zero"


PUBLISHED = CodecConfig(
    vae={"width": 64, "feed_forward": 96}, lower_heads=8, frames=60, training={"steps": 10, "batch": 1, "lr": 1e-4}
)
"""The published part VAE but for its widths: 9 encoder layers, 29 decoder layers with 32 heads, normalised after each
block, latents sampled."""


def test_gradients_reach_all_of_the_published_architecture():
    """Also the 29th layer of post-norm blocks, and no matter from which end."""
    torch.manual_seed(0)
    vae, x = PartVAE(part_config(PUBLISHED, "lower"), 61), torch.randn(1, 60, 61)
    vae.start_at(x)
    mean, log_variance = vae.posterior(x)
    y = vae.decode(sampled(mean, log_variance, torch.randn(mean.shape)))
    vae_losses(x, y, mean, log_variance, feature_scale(x), PUBLISHED)["loss"].backward()
    norms = {name: parameter.grad.norm().item() for name, parameter in vae.named_parameters()}
    assert all(math.isfinite(norm) for norm in norms.values())
    unreached = {name for name, norm in norms.items() if norm == 0}
    assert unreached == set(), "parameters without gradient"


@pytest.mark.slow
def test_the_published_architecture_trains(store, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "out").mkdir()
    config = {"codec": PUBLISHED.model_dump(mode="json"), "part": "lower"}
    fit_part_vae(config, FitContext(store, tmp_path / "out", tmp_path / "work"))
    (row,) = read_json(tmp_path / "out" / CURVE)
    assert row.keys() == {"step", "loss", "reconstruction", "velocity", "acceleration", "kl"}
    assert all(math.isfinite(value) for value in row.values())


def test_the_paper_preset_is_the_published_training():
    paper = PRESETS["paper"]
    assert (paper.codec.vae.layers, paper.codec.vae.decoder_shape) == (8, (29, 16))
    assert (paper.codec.posterior, paper.codec.standardise, paper.codec.vae.pre_norm) == ("sampled", False, False)
    t = paper.training
    assert (t.optimizer, t.lr, t.final_lr, t.clip_norm, t.batch) == ("adam", 1e-4, 1e-6, None, 128)
    assert (t.precision, t.ema, t.accumulate) == ("float32", None, 1)
    assert (paper.denoiser.drop, paper.denoiser.window_stride, paper.denoiser.part_weights) == (0.1, 5, PartWeights())
    assert (paper.codec.training.optimizer, paper.codec.training.betas) == ("adamw", (0.9, 0.95))
