import pytest
import torch

from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.methods.emage.config import SAMPLES_PER_FRAME
from gesturebench.methods.emage.network import BODY, MOTION_CHANNELS, PeriodicPositions, Prediction, joined

from .conftest import WINDOW, noise


@pytest.fixture
def told():
    """Two windows: samples, speakers, motion, and all of it hidden but the first four frames."""
    hidden = torch.ones(2, WINDOW, MOTION_CHANNELS, dtype=torch.bool)
    hidden[:, :4] = False
    return noise(2, WINDOW * SAMPLES_PER_FRAME), torch.tensor([0, 2]), noise(2, WINDOW, MOTION_CHANNELS), hidden


def predicted(toy, *told, **options) -> Prediction:
    with torch.no_grad():
        return toy.model(*told, **options)


def assert_same(a: Prediction, b: Prediction, parts=PART_NAMES) -> None:
    for part in parts:
        torch.testing.assert_close(a.latents[part], b.latents[part], atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(a.logits[part], b.logits[part], atol=2e-6, rtol=1e-5)


def distance(a: Prediction, b: Prediction, part: str) -> float:
    return float((a.latents[part] - b.latents[part]).abs().max())


@pytest.mark.parametrize("frames", [1, 9, WINDOW])
def test_shapes(toy, told, frames):
    audio, speaker, motion, hidden = told
    cut = audio[:, : frames * SAMPLES_PER_FRAME], speaker, motion[:, :frames], hidden[:, :frames]
    prediction = predicted(toy, *cut)
    for group in (prediction.latents, prediction.logits):
        assert set(group) == set(PART_NAMES)
        assert {(x.shape, x.dtype) for x in group.values()} == {((2, frames, toy.config.codes), torch.float32)}


def test_a_window_does_not_depend_on_its_neighbours_in_the_batch(toy, told):
    together = predicted(toy, *told)
    for row in range(2):
        alone = predicted(toy, *(x[row : row + 1] for x in told))
        assert_same(alone, Prediction(*({p: x[row : row + 1] for p, x in g.items()} for g in vars(together).values())))


def test_hidden_motion_is_not_seen_and_given_motion_is(toy, told):
    audio, speaker, motion, hidden = told
    plain = predicted(toy, *told)
    assert_same(plain, predicted(toy, audio, speaker, torch.where(hidden, motion + 1, motion), hidden))
    told_more = predicted(toy, audio, speaker, torch.where(hidden, motion, motion + 1), hidden)
    assert all(distance(plain, told_more, part) > 1e-3 for part in PART_NAMES)


def test_one_channel_can_be_given(toy, told):
    audio, speaker, motion, hidden = told
    one = hidden.clone()
    one[:, 30, 5] = False
    assert distance(predicted(toy, *told), predicted(toy, audio, speaker, motion, one), "upper") > 1e-6


def test_without_audio_the_body_is_deaf_and_the_face_is_not(toy, told):
    audio, *rest = told
    silent, loud = (predicted(toy, x, *rest, use_audio=False) for x in (0 * audio, audio))
    assert_same(silent, loud, BODY)
    assert distance(silent, loud, "face") > 1e-4
    assert distance(loud, predicted(toy, audio, *rest), "upper") > 1e-4


def test_speakers_differ(toy, told):
    audio, speaker, *rest = told
    other = predicted(toy, audio, (speaker + 1) % 3, *rest)
    assert all(distance(predicted(toy, *told), other, part) > 1e-3 for part in PART_NAMES)


def test_positions_repeat_after_a_window():
    positions = PeriodicPositions(WINDOW, 8, dropout=0.0)
    table = positions(torch.zeros(1, 2 * WINDOW, 8))[0]
    torch.testing.assert_close(table[:WINDOW], table[WINDOW:])
    assert len(table[:WINDOW].unique(dim=0)) == WINDOW


def test_pieces_are_joined_in_order(toy, told):
    whole = predicted(toy, *told)
    assert_same(joined([whole.frames(0, 10), whole.frames(10, 11), whole.frames(11, WINDOW)]), whole)
