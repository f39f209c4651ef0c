import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.errors import InputError
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.common.motion.rotations import axis_angle_from_6d, axis_angle_to_6d
from gesturebench.common.motion.skeleton import EYES, PART_NAMES, pose_channels
from gesturebench.methods.emage.config import SAMPLE_RATE, SAMPLES_PER_FRAME, EmageConfig, Routes
from gesturebench.methods.emage.inference import Hint, predict, rounds, speech_frames
from gesturebench.methods.emage.losses import code_loss, latent_loss, true_codes
from gesturebench.methods.emage.network import MOTION_CHANNELS, Prediction

from .conftest import SEED_FRAMES, WINDOW, noise

STEP = WINDOW - SEED_FRAMES


def speech(frames: int, batch: int = 1) -> torch.Tensor:
    return noise(batch, -(-frames * SAMPLE_RATE // 30))


def run(networks, frames: int, hint: Hint | None = None, batch: int = 1) -> Prediction:
    return predict(networks.model, networks.decoder, speech(frames, batch), torch.zeros(batch, dtype=torch.long), hint)


@given(frames=st.integers(1, 2000), window=st.integers(9, 70), seed=st.integers(1, 8))
def test_rounds_keep_every_frame_once(frames, window, seed):
    plan = rounds(frames, EmageConfig(window=window, seed_frames=seed))
    starts = [r.start for r in plan]
    assert [*starts[1:], frames] == [r.end for r in plan]
    assert starts == [(window - seed) * k for k in range(len(plan))]
    assert all(r.end > r.start and r.end <= r.stop <= frames and r.stop - r.start <= window for r in plan)


@given(frames=st.integers(9, 2000))
def test_the_released_end_is_cut_by_four_to_eight_frames_where_little_remains(frames):
    rest = (frames - SEED_FRAMES) % STEP
    lost = frames - rounds(frames, EmageConfig(tail="released"))[-1].end
    assert lost == (rest + SEED_FRAMES if rest <= SEED_FRAMES else 0)


@pytest.mark.parametrize(("frames", "tail"), [(0, "whole"), (0, "released"), (8, "released")])
def test_a_speech_too_short_is_refused(frames, tail):
    with pytest.raises(InputError, match=f"a speech of {frames} frames; expected"):
        rounds(frames, EmageConfig(tail=tail))


@pytest.mark.parametrize("frames", [1, 3, 5, 63, 64, 65, 69, 125, 129])
def test_as_many_frames_as_the_speech(toy, frames):
    prediction = run(toy, frames)
    assert speech_frames(speech(frames).shape[1]) == frames
    assert {x.shape for x in prediction.logits.values()} == {(1, frames, toy.config.codes)}
    decoded = toy.decoder.decode(prediction)
    assert decoded.poses.shape == (1, frames, 165)
    assert decoded.expressions.shape == (1, frames, 100)
    assert decoded.translation(np.zeros((1, 2))).shape == (1, frames, 3)


def test_long_speech_keeps_up_with_its_frames(toy):
    """Windows start 533 samples per frame apart, a third too few: there is always enough speech for the last one."""
    assert run(toy, 1230).logits["upper"].shape[1] == 1230


def test_the_same_again_and_in_a_batch(toy):
    together = run(toy, 100, batch=2)
    for row in range(2):
        audio = speech(100, 2)[row : row + 1]
        alone = predict(toy.model, toy.decoder, audio, torch.zeros(1, dtype=torch.long))
        for part in PART_NAMES:
            torch.testing.assert_close(alone.latents[part][0], together.latents[part][row], atol=2e-6, rtol=1e-5)
    assert torch.equal(run(toy, 100, batch=2).latents["upper"], together.latents["upper"])


def test_later_speech_does_not_change_earlier_windows(toy):
    long = run(toy, 200)
    short = predict(toy.model, toy.decoder, speech(200)[:, : 124 * SAMPLES_PER_FRAME + 400], torch.tensor([0]))
    torch.testing.assert_close(short.latents["lower"][:, :60], long.latents["lower"][:, :60])


def test_a_window_starts_from_the_end_of_the_one_before(toy):
    """By hand: the second window with the decoded end of the first as its first four frames."""
    audio, hidden = speech(124), torch.ones(1, WINDOW, MOTION_CHANNELS, dtype=torch.bool)
    hidden[:, :SEED_FRAMES] = False
    rest = Hint.nothing(1, WINDOW).motion
    heard = [audio[:, k * SAMPLES_PER_FRAME : (k + WINDOW) * SAMPLES_PER_FRAME] for k in (0, STEP)]
    with torch.no_grad():
        first = toy.model(heard[0], torch.tensor([0]), rest, hidden)
        seeded = rest.clone()
        seeded[:, :SEED_FRAMES] = toy.decoder.channels(first)[:, -SEED_FRAMES:]
        second = toy.model(heard[1], torch.tensor([0]), seeded, hidden)
    whole = run(toy, 124)
    torch.testing.assert_close(whole.latents["hands"][:, :STEP], first.latents["hands"][:, :STEP])
    torch.testing.assert_close(whole.latents["hands"][:, STEP:], second.latents["hands"])


def given_motion(frames: int) -> torch.Tensor:
    return Hint.nothing(1, frames).motion + 0.3 * noise(1, frames, MOTION_CHANNELS, seed=3)


def test_a_seed_is_the_first_four_frames_alone(toy):
    motion = given_motion(80)
    changed = motion.clone()
    changed[:, SEED_FRAMES:] += 1
    seeded = run(toy, 80, Hint.seed(motion)).latents["upper"]
    assert torch.equal(seeded, run(toy, 80, Hint.seed(changed)).latents["upper"])
    assert (seeded - run(toy, 80).latents["upper"]).abs().max() > 1e-4


def test_a_hint_may_be_shorter_or_longer_than_the_speech(toy):
    motion = given_motion(80)
    hidden = torch.rand(motion.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    hint = Hint(motion, hidden)
    as_long = run(toy, 70, hint.frames(0, 70)).latents["lower"]
    assert torch.equal(run(toy, 70, hint).latents["lower"], as_long)
    hidden[:, 40:] = True
    assert torch.equal(run(toy, 70, hint).latents["face"], run(toy, 70, hint.frames(0, 40)).latents["face"])


def test_a_seed_gives_way_to_what_is_given():
    hint = Hint(given_motion(10), torch.ones(1, 10, MOTION_CHANNELS, dtype=torch.bool))
    hint.hidden[:, 1, 7] = False
    started = hint.starting_with(torch.zeros(1, SEED_FRAMES, MOTION_CHANNELS))
    assert started.motion[0, :SEED_FRAMES].count_nonzero() == 1
    assert started.motion[0, 1, 7] == hint.motion[0, 1, 7]
    assert not started.hidden[:, :SEED_FRAMES].any()
    assert started.hidden[:, SEED_FRAMES:].all()
    assert hint.hidden[:, 0].all(), "the hint itself is left alone"


def test_decoded_poses_are_rotations_with_eyes_at_rest(toy):
    decoded = toy.decoder.decode(run(toy, 30))
    assert decoded.poses[..., pose_channels(EYES)].abs().max() == 0
    poses = decoded.poses.unflatten(-1, (55, 3)).double()
    torch.testing.assert_close(axis_angle_from_6d(axis_angle_to_6d(poses)), poses, atol=1e-5, rtol=0)


def test_both_conversions_decode_the_same_rotations(build):
    """Away from half turns, where the released one is coarse."""
    prediction = run(build(), 30)
    stable, legacy = (build(rotations=name).decoder.decode(prediction).poses for name in ("stable", "legacy"))
    plain = stable.unflatten(-1, (55, 3)).norm(dim=-1) < 3
    gap = (stable - legacy).unflatten(-1, (55, 3)).abs().amax(-1)
    assert plain.float().mean() > 0.5
    assert gap[plain].max() < 1e-4


def test_translation_starts_where_it_is_told(toy):
    decoded = toy.decoder.decode(run(toy, 30))
    start = np.array([[1.5, -2.0]])
    here, there = decoded.translation(np.zeros((1, 2))), decoded.translation(start)
    np.testing.assert_allclose(there[0, 0, [0, 2]], start[0], rtol=1e-6)
    np.testing.assert_allclose((there - here)[0, :, [0, 2]].T, np.repeat(start, 30, 0), atol=1e-5)
    np.testing.assert_array_equal(there[..., 1], here[..., 1])


@pytest.mark.parametrize("route", ["latent", "index"])
def test_perfect_predictions_decode_to_the_codecs_reconstruction(build, route):
    toy = build(routes=dict.fromkeys(Routes.model_fields, route))
    features = {part: noise(1, 20, channels) for part, channels in PART_FEATURES.items()}
    truth = true_codes(toy.codecs, features)
    logits = {part: torch.nn.functional.one_hot(i, toy.config.codes).float() for part, i in truth.indices.items()}
    decoded = toy.decoder.decode(Prediction(truth.latents, logits))
    with torch.no_grad():
        face, lower = (toy.codecs[part](features[part])[0] for part in ("face", "lower"))
    torch.testing.assert_close(decoded.expressions, face[..., 6:])
    torch.testing.assert_close(decoded.trans_contact, lower[..., 54:])


def test_losses_of_perfect_and_of_clueless_predictions(toy):
    truth = true_codes(toy.codecs, {part: noise(2, 20, channels) for part, channels in PART_FEATURES.items()})
    sure = {part: 100.0 * torch.nn.functional.one_hot(i, 12) for part, i in truth.indices.items()}
    perfect = Prediction(truth.latents, sure)
    assert float(latent_loss(perfect, truth)) == 0
    assert float(code_loss(perfect, truth)) < 1e-6
    clueless = Prediction({p: z + 1 for p, z in truth.latents.items()}, {p: 0 * x for p, x in sure.items()})
    assert float(latent_loss(clueless, truth)) == pytest.approx(3 * 4)
    assert float(code_loss(clueless, truth)) == pytest.approx(3 * np.log(12))
