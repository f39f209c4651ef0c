import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.codecs.vector_quantizer import VectorQuantizer
from gesturebench.common.codecs.vq_config import ConvConfig, VQConfig
from gesturebench.common.codecs.vq_vae import VQVAE, ConvAutoencoder, ConvDecoder, ConvEncoder


def seeded(build):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build()


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def quantizer() -> VectorQuantizer:
    return seeded(lambda: VectorQuantizer(codes=11, width=5))


@pytest.fixture
def codec() -> VQVAE:
    return seeded(lambda: VQVAE(9, VQConfig(width=8, layers=2, codes=16)))


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
@settings(deadline=None, max_examples=20)
def test_the_chosen_code_is_the_nearest(seed, scale):
    quantizer = seeded(lambda: VectorQuantizer(codes=11, width=5))
    z = scale * noise(40, 5, seed=seed)
    distance = torch.cdist(z.double(), quantizer.embedding.weight.double())
    chosen = distance.gather(1, quantizer.indices(z)[:, None])[:, 0]
    # |z|^2 + |e|^2 - 2 z e rounds like |z|^2
    assert (chosen.square() - distance.amin(1).square() <= 1e-5 * (1 + z.double().square().sum(1))).all()


def test_codes_are_their_own_codes(quantizer):
    index = torch.arange(11)
    assert torch.equal(quantizer.indices(quantizer.codes(index)), index)


def test_gradients_pass_straight_through(quantizer):
    z, weights = noise(7, 5).requires_grad_(), noise(7, 5, seed=1)
    (quantizer(z).latent * weights).sum().backward()
    torch.testing.assert_close(z.grad, weights)
    assert quantizer.embedding.weight.grad is None


def test_the_loss_draws_codes_and_latents_together(quantizer):
    """Both terms have the same value; the gradient of one goes to the codebook, that of the other to the encoder."""
    z = noise(7, 5).requires_grad_()
    loss = quantizer(z).loss
    error = quantizer.snapped(z) - z
    torch.testing.assert_close(loss, 2 * error.square().mean())
    loss.backward()
    torch.testing.assert_close(z.grad, -2 * error.detach() / error.numel())
    torch.testing.assert_close(quantizer.embedding.weight.grad.sum(0), 2 * error.detach().sum(0) / error.numel())


def test_commitment_weighs_the_encoders_term():
    quantizer = seeded(lambda: VectorQuantizer(codes=11, width=5, commitment=0.25))
    z = noise(7, 5)
    torch.testing.assert_close(quantizer(z).loss, 1.25 * (quantizer.snapped(z) - z).square().mean())


def test_perplexity_counts_codes_in_use(quantizer):
    used = quantizer.codes(torch.tensor([0, 3, 5, 5, 3, 0]))
    assert float(quantizer(used).perplexity) == pytest.approx(3, rel=1e-5)
    assert float(quantizer(used[:1].expand(4, -1)).perplexity) == pytest.approx(1, rel=1e-5)


def test_encoding_and_decoding_agree_whichever_way(codec):
    x = noise(2, 20, 9)
    with torch.no_grad():
        index, z = codec.indices(x), codec.encoder(x)
        torch.testing.assert_close(codec.decode_indices(index), codec.decode_latent(z))
        torch.testing.assert_close(codec(x)[0], codec.decode_latent(z))
        assert torch.equal(codec.latent(x), codec.quantizer.codes(index))
        assert torch.equal(codec(x)[1].index, index)


@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize(("kind", "reach"), [(ConvEncoder, lambda n: 3 * n), (ConvDecoder, lambda n: 5 + n)])
def test_a_frame_reaches_so_far_and_no_farther(layers, kind, reach):
    network = seeded(lambda: kind(8, ConvConfig(width=8, layers=layers)))
    x = noise(1, 61, 8)
    moved = x.clone()
    moved[:, 30] += 1
    with torch.no_grad():
        changed = (network(x) != network(moved)).any(-1)[0].nonzero()[:, 0]
    assert (int(changed.min()), int(changed.max())) == (30 - reach(layers), 30 + reach(layers))


@pytest.mark.parametrize("frames", [1, 2, 63, 130])
def test_any_length(codec, frames):
    autoencoder = ConvAutoencoder(9, ConvConfig(width=8, layers=4))
    with torch.no_grad():
        assert codec(noise(3, frames, 9))[0].shape == autoencoder(noise(3, frames, 9)).shape == (3, frames, 9)


def test_training_lowers_the_loss(codec):
    x = noise(4, 32, 9)
    optimiser = torch.optim.Adam(codec.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        reconstruction, quantised = codec(x)
        loss = (reconstruction - x).square().mean() + quantised.loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
