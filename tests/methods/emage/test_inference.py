import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.codecs.part_vqs import EXPRESSIONS, TRANSLATION, poses_of
from gesturebench.common.codecs.prior_windows import CHANNELS
from gesturebench.common.errors import InputError
from gesturebench.common.motion import rotations_legacy
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.common.motion.rotations import axis_angle_from_6d, axis_angle_to_6d
from gesturebench.common.motion.skeleton import EYES, PART_NAMES, pose_channels
from gesturebench.methods.emage.config import SAMPLE_RATE, Routes
from gesturebench.methods.emage.hints import Hint
from gesturebench.methods.emage.inference import rounds, samples_of, speech_frames
from gesturebench.methods.emage.network import Prediction

from .conftest import CONFIG, SEED_FRAMES, WINDOW, noise, speech, told

STEP = WINDOW - SEED_FRAMES
BETAS = np.zeros(300, np.float32)


def sized(window: int = WINDOW, seed: int = SEED_FRAMES, **generation):
    return CONFIG.updated({"network": {"window": window, "seed_frames": seed}, "generation": generation})


@given(frames=st.integers(1, 2000), window=st.integers(9, 64), seed=st.integers(1, 8))
def test_rounds_keep_every_frame_once(frames, window, seed):
    plan = rounds(frames, sized(window, seed))
    starts = [r.start for r in plan]
    assert [*starts[1:], frames] == [r.end for r in plan]
    assert starts == [(window - seed) * k for k in range(len(plan))]
    assert all(r.end > r.start and r.end <= r.stop <= frames and r.stop - r.start <= window for r in plan)


@given(frames=st.integers(9, 2000))
def test_the_released_end_is_cut_by_four_to_eight_frames_where_little_remains(frames):
    rest = (frames - SEED_FRAMES) % STEP
    lost = frames - rounds(frames, sized(tail="released"))[-1].end
    assert lost == (rest + SEED_FRAMES if rest <= SEED_FRAMES else 0)


@pytest.mark.parametrize(("frames", "tail"), [(0, "whole"), (0, "released"), (8, "released")])
def test_a_speech_too_short_is_refused(frames, tail):
    with pytest.raises(InputError, match=f"a speech of {frames} frames; expected"):
        rounds(frames, sized(tail=tail))


@pytest.mark.parametrize("frames", [1, 3, 5, 63, 64, 65, 69, 125, 129])
@pytest.mark.parametrize("audio_hop", ["exact", "released"])
def test_as_many_frames_as_the_speech(build, audio_hop, frames):
    toy = build(audio_hop=audio_hop)
    (prediction,) = toy.predict(told(frames))
    assert speech_frames(len(speech(frames))) == frames
    assert {x.shape for x in prediction.logits.values()} == {(1, frames, 12)}
    motion = toy.decoder.motion(prediction, BETAS, (0.0, 0.0))
    assert motion.checked("toy").n_frames == frames


@pytest.mark.parametrize("audio_hop", ["exact", "released"])
def test_long_speech_keeps_up_with_its_frames(build, audio_hop):
    """Released windows start 533 samples per frame apart, a third too few: there is always enough speech for the
    last one."""
    assert build(audio_hop=audio_hop).predict(told(1230))[0].logits["upper"].shape[1] == 1230


def test_speeches_of_any_length_go_through_together_as_alone(toy):
    several = [told(frames, speaker=k, seed=k) for k, frames in enumerate((100, 7, 64, 100, 1))]
    together = toy.predict(*several)
    for one, found in zip(several, together, strict=True):
        (alone,) = toy.predict(one)
        for part in PART_NAMES:
            torch.testing.assert_close(alone.latents[part], found.latents[part], atol=2e-6, rtol=1e-5)
    assert torch.equal(toy.predict(*several)[0].latents["upper"], together[0].latents["upper"])
    assert toy.predict() == []


def test_later_speech_does_not_change_earlier_windows(toy):
    long = toy.predict(told(200))[0].latents["lower"]
    short = toy.predict(told(124))[0].latents["lower"]
    torch.testing.assert_close(short[:, :60], long[:, :60])


@pytest.mark.parametrize(("audio_hop", "second"), [("exact", 32_000), ("released", 31_980)])
def test_a_window_starts_from_the_end_of_the_one_before(build, audio_hop, second):
    """By hand: the second window with the decoded end of the first as its first four frames, and its own speech."""
    toy, audio, hidden = build(audio_hop=audio_hop), speech(124), torch.ones(1, WINDOW, CHANNELS, dtype=torch.bool)
    hidden[:, :SEED_FRAMES] = False
    rest, length = Hint.nothing(WINDOW).motion, 34_133 if audio_hop == "exact" else 34_112
    heard = [toy.model.hear(audio[None, start : start + length]) for start in (0, second)]
    first = toy.model(heard[0], torch.tensor([0]), rest, hidden)
    seeded = rest.clone()
    seeded[:, :SEED_FRAMES] = toy.decoder.channels(first)[:, -SEED_FRAMES:]
    then = toy.model(heard[1], torch.tensor([0]), seeded, hidden)
    (whole,) = toy.predict(told(124))
    torch.testing.assert_close(whole.latents["hands"][:, :STEP], first.latents["hands"][:, :STEP])
    torch.testing.assert_close(whole.latents["hands"][:, STEP:], then.latents["hands"])


@pytest.mark.parametrize("frames", [64, 65, 124, 129, 300])
def test_codes_fade_where_windows_overlap_and_nowhere_else(build, frames):
    """Mixtures of the two windows' codes: the first one's at the first shared frame by four fifths."""
    toy = build(seams="blended")
    (prediction,) = toy.predict(told(frames))
    assert [start for start, _ in prediction.earlier] == [r.start for r in rounds(frames, toy.config)[1:]]
    assert {earlier.latents["face"].shape[1] for _, earlier in prediction.earlier} <= {SEED_FRAMES}
    plain = toy.vqs.vectors({"hands": prediction.logits["hands"].argmax(-1)})["hands"]
    faded = toy.decoder._faded("hands", prediction)
    shared = {start + k for start, _ in prediction.earlier for k in range(SEED_FRAMES)}
    outside = [t for t in range(frames) if t not in shared]
    assert torch.equal(faded[:, outside], plain[:, outside])
    for start, earlier in prediction.earlier:
        first = toy.vqs.vectors({"hands": earlier.logits["hands"].argmax(-1)})["hands"]
        torch.testing.assert_close(faded[:, start], 0.8 * first[:, 0] + 0.2 * plain[:, start])
        torch.testing.assert_close(faded[:, start + 3], 0.2 * first[:, 3] + 0.8 * plain[:, start + 3])


def test_a_jump_between_windows_is_spread(build):
    """Constant codes in each window, other ones in the next: the largest step is smaller, and nothing else moves."""
    motions = {}
    for seams in ("blended", "released"):
        toy = build(seams=seams)
        (prediction,) = toy.predict(told(124))
        for logits, earlier in zip(prediction.logits.values(), prediction.earlier[0][1].logits.values(), strict=True):
            logits[:, :60] = earlier[:] = torch.nn.functional.one_hot(torch.tensor(3), 12).float()
            logits[:, 60:] = torch.nn.functional.one_hot(torch.tensor(5), 12).float()
        parts = toy.decoder.blended(prediction) if seams == "blended" else toy.decoder.features(prediction)
        motions[seams] = parts["upper"][0, 15:-15].diff(dim=0).norm(dim=-1)  # away from the ends of the clip
    assert motions["blended"].max() < 0.6 * motions["released"].max()
    torch.testing.assert_close(motions["blended"][:30], motions["released"][:30])


def test_the_released_hop_is_late_by_a_third_of_a_sample_per_frame():
    ten_minutes = 18_000
    assert (samples_of(ten_minutes) - 533 * ten_minutes) / SAMPLE_RATE == pytest.approx(0.375)


def test_perfect_predictions_decode_to_the_codecs_reconstruction(build):
    for route in ("latent", "index"):
        toy = build(routes=dict.fromkeys(Routes.model_fields, route))
        features = {part: noise(1, 20, channels) for part, channels in PART_FEATURES.items()}
        indices = toy.vqs.indices(features)
        logits = {part: torch.nn.functional.one_hot(i, 12).float() for part, i in indices.items()}
        decoded = toy.decoder.features(Prediction(toy.vqs.vectors(indices), logits))
        for part, codec in toy.vqs.codecs.items():
            torch.testing.assert_close(decoded[part], codec(features[part])[0])


def test_decoded_motion_is_rotations_with_eyes_at_rest(toy):
    (prediction,) = toy.predict(told(30))
    motion = toy.decoder.motion(prediction, BETAS, (0.0, 0.0))
    assert np.abs(motion.poses[:, pose_channels(EYES)]).max() == 0
    poses = torch.from_numpy(motion.poses).unflatten(-1, (55, 3)).double()
    torch.testing.assert_close(axis_angle_from_6d(axis_angle_to_6d(poses)), poses, atol=1e-5, rtol=0)
    parts = toy.decoder.features(prediction)
    np.testing.assert_array_equal(motion.expressions, parts["face"][0, :, EXPRESSIONS])


def test_both_conversions_decode_the_same_rotations(toy):
    """Away from half turns, where the released one is coarse."""
    parts = toy.decoder.features(toy.predict(told(30))[0])
    stable, legacy = poses_of(parts), poses_of(parts, rotations_legacy)
    plain = stable.unflatten(-1, (55, 3)).norm(dim=-1) < 3
    gap = (stable - legacy).unflatten(-1, (55, 3)).abs().amax(-1)
    assert plain.float().mean() > 0.5
    assert gap[plain].max() < 1e-4


def test_translation_starts_where_it_is_told(toy):
    (prediction,) = toy.predict(told(30))
    here, there = (toy.decoder.motion(prediction, BETAS, start).trans for start in ((0.0, 0.0), (1.5, -2.0)))
    np.testing.assert_allclose(there[0, [0, 2]], [1.5, -2.0], rtol=1e-6)
    np.testing.assert_allclose((there - here)[:, [0, 2]], np.tile([1.5, -2.0], (30, 1)), atol=1e-5)
    np.testing.assert_array_equal(there[:, 1], here[:, 1])


@pytest.mark.parametrize("global_input", ["proper", "raw"])
def test_global_motion_reads_the_lower_body_as_configured(build, global_input):
    """`raw` is the decoded lower body; `proper` does not change when its translation does."""
    toy = build(global_input=global_input)
    (prediction,) = toy.predict(told(30))
    lower = toy.decoder.features(prediction)["lower"]
    trans = toy.decoder.motion(prediction, BETAS, (0.0, 0.0)).trans
    with torch.no_grad():
        raw = toy.vqs.network(lower)[0, :, TRANSLATION][:, 1].numpy()
    assert np.allclose(raw, trans[:, 1], atol=1e-6) == (global_input == "raw")
