"""Encoders and losses, by what they must not depend on and by values that can be worked out."""

import math

import pytest
import torch

from gesturebench.common.embedding.actor import ActorEncoder
from gesturebench.common.embedding.config import EmbeddingConfig
from gesturebench.common.embedding.contrastive import drawn_shift, infonce_losses, margin_losses
from gesturebench.common.embedding.spoken import Spoken
from gesturebench.common.embedding.t2m import TextMotionEvaluator
from gesturebench.common.embedding.towers import SpeechMotion, valid
from gesturebench.common.seeds import torch_generator

SMALL = EmbeddingConfig(dim=16, heads=2, hidden=24, motion_layers=1, speech_layers=1, dropout=0.0)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch_generator("towers", seed))


@pytest.fixture(scope="module")
def towers() -> SpeechMotion:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SpeechMotion(SMALL, 5, 7).eval()


@pytest.mark.parametrize("queries", [1, 2])
@pytest.mark.parametrize("learned", [None, 20])
@torch.no_grad()
def test_frames_past_the_end_have_no_influence(queries, learned):
    torch.manual_seed(1)
    model = ActorEncoder(6, 16, heads=2, hidden=24, layers=2, queries=queries, learned=learned).eval()
    motion, lengths = random(3, 20, 6), torch.tensor([20, 9, 14])
    found = model(motion, valid(lengths, 20))
    assert found.shape == (3, queries, 16)
    other = torch.where(valid(lengths, 20)[..., None], motion, torch.tensor(1e3))
    torch.testing.assert_close(model(other, valid(lengths, 20)), found)
    torch.testing.assert_close(model(motion[1:2, :9], valid(torch.tensor([9]), 9))[0], found[1], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_order_of_frames_matters(towers):
    motion, lengths = random(2, 30, 337), torch.tensor([30, 30])
    assert (towers.embed_motion(motion, lengths) - towers.embed_motion(motion.flip(1), lengths)).abs().max() > 1e-3


@torch.no_grad()
def test_jaw_eyes_and_what_follows_the_rotations_are_not_read(towers):
    motion, lengths = random(2, 30, 337), torch.tensor([30, 12])
    other = motion.clone()
    other[..., 132:150] = 9.0
    other[..., 330:] = 9.0
    found = towers.embed_motion(motion, lengths)
    torch.testing.assert_close(towers.embed_motion(other, lengths), found)
    torch.testing.assert_close(towers.embed_motion(motion[..., :330], lengths), found)
    other[..., 0] += 1
    assert (towers.embed_motion(other, lengths) - found).abs().max() > 1e-4


@torch.no_grad()
def test_tokens_that_are_not_there_have_no_influence_and_times_have(towers):
    text_s = torch.linspace(0, 3, 6).repeat(2, 1)
    spoken = Spoken(random(2, 6, 5), text_s, torch.tensor([6, 3]), random(2, 9, 7, seed=1), torch.tensor([9, 4]))
    found = towers.embed_speech(spoken)
    text, audio = spoken.text.clone(), spoken.audio.clone()
    text[1, 3:], audio[1, 4:] = 50.0, -50.0
    torch.testing.assert_close(towers.embed_speech(spoken._replace(text=text, audio=audio)), found)
    later = towers.embed_speech(spoken._replace(text_s=text_s + 1))
    assert (later - found).abs().amax(1).min() > 1e-4


@torch.no_grad()
def test_infonce_places_everything_on_a_sphere(towers):
    norms = towers.embed_motion(random(4, 20, 330), torch.full((4,), 20)).norm(dim=1)
    torch.testing.assert_close(norms, torch.full((4,), SMALL.margin))


def test_the_margin_loss_by_hand():
    speech, motion = torch.tensor([[0.0, 0.0], [20.0, 0.0]]), torch.tensor([[3.0, 4.0], [20.0, 0.0]])
    losses = margin_losses(speech, motion, 1, margin=10.0)
    assert losses["matched"].item() == pytest.approx((25 + 0) / 2, rel=1e-5)
    apart = [20.0, math.hypot(17, 4)]  # both beyond the margin
    assert min(apart) > 10
    assert losses["mismatched"].item() == 0
    near = margin_losses(speech / 10, motion / 10, 1, margin=10.0)["mismatched"].item()
    assert near == pytest.approx(sum((10 - d / 10) ** 2 for d in apart) / 2, rel=1e-4)


def test_true_pairs_are_never_negatives():
    rows = random(5, 3)
    for shift in (0, 5, -5):
        with pytest.raises(ValueError, match="makes negatives of the true pairs"):
            margin_losses(rows, rows, shift)
    generator = torch_generator("shift")
    assert {drawn_shift(4, generator) for _ in range(60)} == {1, 2, 3}


def test_infonce_by_hand():
    collapsed = torch.ones(6, 4)
    assert infonce_losses(collapsed, collapsed)["loss"].item() == pytest.approx(math.log(6), rel=1e-5)
    assert infonce_losses(torch.eye(6), 3 * torch.eye(6), 0.01)["loss"].item() < 1e-6
    other = infonce_losses(torch.eye(6), torch.eye(6).roll(1, 0), 0.1)["loss"].item()
    assert other > infonce_losses(collapsed, collapsed)["loss"].item()


@torch.no_grad()
def test_the_published_evaluator_reads_whole_movements_without_contacts():
    torch.manual_seed(2)
    sizes = {"movement": (12, 12), "motion": 16, "text": 16, "latent": 8, "words": 5, "classes": 3}
    model = TextMotionEvaluator(15, **sizes).eval()
    motion, lengths = random(3, 24, 15), torch.tensor([8, 24, 17])
    found = model.embed_motion(motion, lengths)
    assert found.shape == (3, 8)
    other = motion.clone()
    other[..., -4:] = 7.0
    torch.testing.assert_close(model.embed_motion(other, lengths), found)
    torch.testing.assert_close(model.embed_motion(motion[[1, 0, 2]], lengths[[1, 0, 2]])[0], found[1])
