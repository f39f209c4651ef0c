import pytest
import torch

from gesturebench.common.codecs.prior_windows import CHANNELS
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.methods.emage.audio_encoder import AudioEncoder
from gesturebench.methods.emage.network import BODY, Prediction
from gesturebench.methods.emage.windows import samples_of

from .conftest import WINDOW, noise


@pytest.fixture
def told():
    """Two windows: samples, speakers, motion, and all of it hidden but the first four frames."""
    hidden = torch.ones(2, WINDOW, CHANNELS, dtype=torch.bool)
    hidden[:, :4] = False
    return noise(2, samples_of(WINDOW)), torch.tensor([0, 2]), noise(2, WINDOW, CHANNELS), hidden


def predicted(toy, audio, *told, **options) -> Prediction:
    with torch.no_grad():
        return toy.model(toy.model.hear(audio), *told, **options)


def assert_same(a: Prediction, b: Prediction, parts=PART_NAMES) -> None:
    for part in parts:
        torch.testing.assert_close(a.latents[part], b.latents[part], atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(a.logits[part], b.logits[part], atol=2e-6, rtol=1e-5)


def distance(a: Prediction, b: Prediction, part: str) -> float:
    return float((a.latents[part] - b.latents[part]).abs().max())


@pytest.mark.parametrize("frames", [1, 2, 9, 33, WINDOW])
def test_shapes(toy, told, frames):
    audio, speaker, motion, hidden = told
    prediction = predicted(toy, audio[:, : samples_of(frames)], speaker, motion[:, :frames], hidden[:, :frames])
    for group in (prediction.latents, prediction.logits):
        assert set(group) == set(PART_NAMES)
        assert {(x.shape, x.dtype) for x in group.values()} == {((2, frames, 12), torch.float32)}


@pytest.mark.parametrize("per_frame", [533, 16_000 / 30])
def test_speech_has_a_step_for_every_frame_of_any_window(per_frame):
    encoder = AudioEncoder(4).eval()
    with torch.no_grad():
        steps = [encoder(torch.zeros(1, int(n * per_frame))).shape[1] for n in range(1, WINDOW + 1)]
    assert all(found >= n for n, found in enumerate(steps, 1))
    assert steps[-1] == WINDOW


def test_folded_norms_change_nothing():
    encoder = AudioEncoder(16)
    samples = noise(2, 4000)
    for _ in range(3):
        encoder(samples)  # moves the running statistics
    encoder.eval()
    with torch.no_grad():
        before = encoder(samples)
        encoder.fold()
        torch.testing.assert_close(encoder(samples), before, atol=2e-6, rtol=1e-5)


def test_a_window_does_not_depend_on_its_neighbours_in_the_batch(toy, told):
    together = predicted(toy, *told)
    for row in range(2):
        alone = predicted(toy, *(x[row : row + 1] for x in told))
        assert_same(alone, together.row(row))


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


def test_speech_past_the_last_frame_is_heard_by_the_body_alone(toy, told):
    """As published: the face's speech is cut to the frames, the body's is not."""
    audio, speaker, motion, hidden = (x[:, :9] if x.ndim == 3 else x for x in told)
    short, long = (predicted(toy, audio[:, : samples_of(n)], speaker, motion, hidden) for n in (30, 40))
    torch.testing.assert_close(short.latents["face"], long.latents["face"], atol=2e-6, rtol=1e-5)
    assert distance(short, long, "upper") > 1e-6
