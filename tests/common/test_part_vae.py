"""The part VAE: chunks are encoded alone, decoded together, and training starts from sensible scales."""

import pytest
import torch

from gesturebench.common.codecs.config import CodecConfig, PartVAEConfig
from gesturebench.common.codecs.part_codec import feature_scale, latent, part_config, vae_losses
from gesturebench.common.codecs.part_vae import PartVAE
from gesturebench.common.errors import InputError

SMALL = PartVAEConfig(width=16, layers=1, heads=2, feed_forward=24, dropout=0.0, chunk=5, decoder_depth="as_encoder")


def vae(config: PartVAEConfig = SMALL, features: int = 7) -> PartVAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return PartVAE(config, features).requires_grad_(False).eval()


def motion(batch: int = 2, frames: int = 30) -> torch.Tensor:
    """Features with a mean far from zero, as bodies have."""
    return 3 + 0.2 * torch.randn(batch, frames, 7, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("depth", ["published", "as_encoder"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("pre_norm", [False, True])
@pytest.mark.parametrize("architecture", ["encoder_decoder", "all_encoder"])
def test_shapes(depth, layers, pre_norm, architecture):
    settings = {"decoder_depth": depth, "layers": layers, "pre_norm": pre_norm, "architecture": architecture}
    model = vae(SMALL.model_copy(update={**settings, "width": 32}))
    mean, log_variance = model.posterior(motion())
    assert mean.shape == log_variance.shape == (2, 6, 32)
    assert model.decode(mean).shape == (2, 30, 7)


def test_published_sizes():
    """A hundred million parameters are not built here: depth and heads tell."""
    assert PartVAEConfig().decoder_shape == (29, 16)
    assert PartVAEConfig(architecture="all_encoder").decoder_shape == (8, 32)
    assert SMALL.decoder_shape == (1, 2)
    lower = part_config(CodecConfig(lower_heads=8), "lower")
    assert (lower.heads, part_config(CodecConfig(lower_heads=8), "upper").heads) == (8, 4)


def test_chunks_are_encoded_alone():
    model, x = vae(), motion()
    whole = model.posterior(x)
    for k in range(6):
        alone = model.posterior(x[:, 5 * k : 5 * k + 5])
        for of_whole, of_one in zip(whole, alone, strict=True):
            torch.testing.assert_close(of_whole[:, k : k + 1], of_one, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("span", [0, 1, 2])
def test_a_frame_sees_the_latents_within_the_span(span):
    """One layer whose frames do not talk to each other would be local; here they do, so the mask itself is read."""
    hidden = vae(SMALL.model_copy(update={"memory_span": span})).hidden(6, torch.device("cpu"))
    for frame in range(30):
        seen = [slot for slot in range(6) if not hidden[frame, slot]]
        assert seen == [slot for slot in range(6) if abs(slot - frame // 5) <= span]


def test_a_span_needs_latents_that_frames_look_at():
    with pytest.raises(InputError, match="memory_span needs the architecture encoder_decoder"):
        PartVAEConfig.parse({"architecture": "all_encoder", "memory_span": 1})


def test_learned_positions_are_trained_and_sinusoids_are_not():
    tables = {"query_pos_encoder.pe", "query_pos_decoder.pe", "mem_pos_decoder.pe"}
    learned = vae(SMALL.model_copy(update={"positions": "learned"}))
    assert tables <= dict(learned.named_parameters()).keys()
    assert not tables & dict(vae().named_parameters()).keys()
    assert learned.state_dict().keys() == vae().state_dict().keys()


def test_a_softplus_of_the_second_token_is_the_standard_deviation():
    plain, other = vae(), vae(SMALL.model_copy(update={"spread": "softplus"}))
    mean, log_variance = other.posterior(motion())
    torch.testing.assert_close(mean, plain.posterior(motion())[0])
    spread = torch.nn.functional.softplus(plain.posterior(motion())[1])
    torch.testing.assert_close(torch.exp(log_variance / 2), spread)


@pytest.mark.parametrize("architecture", ["encoder_decoder", "all_encoder"])
def test_every_frame_sees_every_latent_without_a_span(architecture):
    model = vae(SMALL.model_copy(update={"architecture": architecture}))
    z = torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(0))
    changed = z.clone()
    changed[:, 5] += 3
    assert ((model.decode(z) - model.decode(changed)).abs().amax(-1) > 1e-6).all()


def test_start_at_centres_and_scales():
    """What enters has mean zero and size one before the first linear; what leaves lies around the mean of the data."""
    model, x = vae(), motion(batch=16)
    plain = model.skel_embedding.weight.clone()
    model.start_at(x)
    mean = x.mean((0, 1))
    scale = (x - mean).square().mean().sqrt()
    torch.testing.assert_close(model.skel_embedding(x), ((x - mean) / scale) @ plain.T, atol=1e-3, rtol=1e-3)
    embedded = model.skel_embedding(x)
    assert embedded.mean((0, 1)).abs().max() < 1e-3
    torch.testing.assert_close(model.final_layer.bias, mean)
    decoded = model.decode(model.posterior(x)[0])
    assert (decoded - mean).square().mean() < 4 * scale**2 < 0.1 * mean.square().mean()


def test_start_at_survives_channels_that_never_move():
    model = vae()
    model.start_at(torch.full((2, 30, 7), 2.0))
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_losses_of_a_perfect_and_a_wrong_decoding():
    x, config = motion(), CodecConfig(kl=1.0, velocity=1.0, acceleration=1.0)
    zero = torch.zeros(2, 6, 16)
    perfect = vae_losses(x, x, zero, zero, feature_scale(x), config)
    assert all(value == 0 for value in perfect.values())
    mean_pose = vae_losses(x, x.mean((0, 1)).expand_as(x), zero, zero, feature_scale(x), config)
    for name in ("reconstruction", "velocity", "acceleration"):  # nothing explained: one variance of each
        assert mean_pose[name] == pytest.approx(1.0, rel=1e-3), name
    assert mean_pose["loss"] == pytest.approx(3.0, rel=1e-3)


def test_kl_is_that_of_normal_distributions():
    mean, log_variance = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    x = torch.zeros(1, 3, 1)
    ours = vae_losses(x, x, mean, log_variance, (1.0, 1.0, 1.0), CodecConfig())["kl"]
    p, q = torch.distributions.Normal(mean, torch.exp(log_variance / 2)), torch.distributions.Normal(0.0, 1.0)
    torch.testing.assert_close(ours, torch.distributions.kl_divergence(p, q).mean())


def test_latents_are_the_mean_or_drawn_around_it():
    mean, log_variance = torch.full((1, 50_000), 2.0), torch.full((1, 50_000), -1.0)
    g = torch.Generator().manual_seed(0)
    assert latent(mean, log_variance, CodecConfig(posterior="mean"), g) is mean
    drawn = latent(mean, log_variance, CodecConfig(posterior="sampled"), g)
    assert drawn.mean() == pytest.approx(2.0, abs=0.02)
    assert drawn.var() == pytest.approx(torch.e**-1, abs=0.02)
