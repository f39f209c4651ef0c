"""A training step: what it asks, what it weighs, and what two of its quirks amount to."""

import pytest
import torch

from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.methods.mambatalk.config import LossConfig
from gesturebench.methods.mambatalk.losses import Sample, Truth, all_but_seed, hidden_share, step_losses
from tests.methods.mambatalk.test_network import inputs


@pytest.fixture
def sample(untrained):
    config = untrained().config
    audio, words, speaker, motion, hidden = inputs(config)
    codes = config.priors.codec.codes
    indices = {part: torch.randint(codes, words.shape) for part in PART_NAMES}
    latents = {part: torch.randn(*words.shape, codes) for part in PART_NAMES}
    return Sample(audio, words, speaker, motion, hidden, Truth(indices, latents))


def test_hidden_shares_grow_from_five_per_cent_to_all():
    assert hidden_share(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx([0.05, 0.525, 1.0])


def test_all_but_the_first_frames_are_hidden():
    hidden = all_but_seed(torch.zeros(2, 8, 337), 4)
    assert not hidden[:, :4].any()
    assert hidden[:, 4:].all()


def test_the_two_masked_tasks_are_one_where_nothing_is_dropped(untrained, sample):
    """They differ in dropout alone, as the released switch between them has no effect."""
    network = untrained().network
    twice, doubled = (step_losses(network, sample, LossConfig(masked=m), 4) for m in ("twice", "doubled"))
    assert torch.equal(twice["masked_latent"], twice["again_latent"])
    assert torch.equal(twice["masked_codes"], twice["again_codes"])
    torch.testing.assert_close(twice["loss"], doubled["loss"])


def test_with_dropout_the_two_masked_tasks_differ(untrained, sample):
    network = untrained(network={"dropout": 0.3}).network.train()
    losses = step_losses(network, sample, LossConfig(), 4)
    assert not torch.equal(losses["masked_latent"], losses["again_latent"])


def test_the_face_is_scored_in_masked_tasks_alone(untrained, sample):
    network = untrained().network.requires_grad_(True)
    face = network.local_scan.face_classifier.mlp[0].weight
    losses = step_losses(network, sample, LossConfig(), 4)
    assert torch.autograd.grad(losses["codes"], face, allow_unused=True, retain_graph=True) == (None,)
    assert torch.autograd.grad(losses["masked_codes"], face)[0].abs().sum() > 0


def test_weights_scale_their_terms(untrained, sample):
    network = untrained().network
    one, other = (step_losses(network, sample, LossConfig(latent=x), 4) for x in (3.0, 6.0))
    torch.testing.assert_close(other["latent"], 2 * one["latent"])
    assert torch.equal(other["codes"], one["codes"])
    no_codes = LossConfig(codes={"upper": 0, "hands": 0, "lower": 0, "face": 0})
    assert float(step_losses(network, sample, no_codes, 4)["codes"]) == 0


def test_speech_is_heard_once_for_all_tasks(untrained, sample):
    network, calls = untrained().network, []
    network.audio_pre_encoder_body.register_forward_hook(lambda *_: calls.append(1))
    step_losses(network, sample, LossConfig(), 4)
    assert calls == [1]


def test_the_discarded_attention_of_the_face_query_learns_nothing(untrained, sample):
    network = untrained().network.requires_grad_(True)
    step_losses(network, sample, LossConfig(), 4)["loss"].backward()
    silent = {name.split(".")[1] for name, p in network.named_parameters() if p.grad is None}
    assert silent == {"face_q_self_attn"}
