"""Windows in a row: each starts where the one before was, whatever is batched, and together they are one motion."""

import numpy as np
import pytest
import torch

from gesturebench.common.codecs.part_vqs import EXPRESSIONS, TRANSLATION, poses_of
from gesturebench.common.codecs.prior_windows import CHANNELS
from gesturebench.common.motion import rotations_legacy
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.common.motion.rotations import axis_angle_from_6d, axis_angle_to_6d
from gesturebench.common.motion.skeleton import EYES, PART_NAMES, pose_channels
from gesturebench.methods.emage.config import Routes
from gesturebench.methods.emage.hints import Hint
from gesturebench.methods.emage.inference import predict
from gesturebench.methods.emage.network import Prediction
from gesturebench.methods.emage.windows import speech_frames

from .conftest import OVERLAP, SEED_FRAMES, WINDOW, noise, speech, told

BETAS = np.zeros(300, np.float32)


@pytest.mark.parametrize("frames", [1, 15, 17, 64, 69, 112, 129])
@pytest.mark.parametrize("released", [{}, {"audio_hop": "released"}, {"seams": "released"}])
def test_as_many_frames_as_the_speech(build, released, frames):
    toy = build(**released)
    (predicted,) = toy.predict(told(frames))
    assert speech_frames(len(speech(frames))) == frames
    motion = toy.decoder.motion(predicted, BETAS, (0.0, 0.0))
    assert motion.checked("toy").n_frames == frames


def test_a_long_speech_costs_what_its_windows_cost(toy, monkeypatch):
    """Of two minutes and a frame the network sees one window at a time, each of them once."""
    frames, seen, plain = 3601, [], toy.model.forward

    def forward(heard, speaker, motion, hidden):
        seen.append(motion.shape[:2])
        return plain(heard, speaker, motion, hidden)

    monkeypatch.setattr(toy.model, "forward", forward)
    (predicted,) = toy.predict(told(frames))
    assert seen == [(1, WINDOW)] * 74 + [(1, frames - 74 * (WINDOW - OVERLAP))]
    motion = toy.decoder.motion(predicted, BETAS, (0.0, 0.0))
    assert motion.checked("two minutes").n_frames == frames


def test_whoever_waits_is_told_between_windows(toy):
    calls = []
    predict(toy.model, toy.decoder, [told(160), told(64)], toy.config, lambda: calls.append(1))
    assert len(calls) == 3, "both speeches' first windows go together"


def test_speeches_of_any_length_go_through_together_as_alone(toy):
    several = [told(frames, speaker=k, seed=k) for k, frames in enumerate((100, 7, 64, 100, 1))]
    together = toy.whole(*several)
    for one, found in zip(several, together, strict=True):
        (alone,) = toy.whole(one)
        for part in PART_NAMES:
            torch.testing.assert_close(alone.latents[part], found.latents[part], atol=2e-6, rtol=1e-5)
    assert torch.equal(toy.whole(*several)[0].latents["upper"], together[0].latents["upper"])
    assert toy.predict() == []


def test_later_speech_does_not_change_earlier_windows(toy):
    long = toy.whole(told(200))[0].latents["lower"]
    short = toy.whole(told(112))[0].latents["lower"]
    torch.testing.assert_close(short[:, :48], long[:, :48])


@pytest.mark.parametrize(
    ("generation", "second"),
    [
        ({}, 48 * 16_000 // 30),
        ({"seams": "released"}, 32_000),
        ({"seams": "released", "audio_hop": "released"}, 31_980),
    ],
)
def test_a_window_starts_from_decoded_frames_of_the_one_before(build, generation, second):
    """By hand: the second window with the first of the shared frames as its first four, and its own speech."""
    toy = build(**generation)
    step, length = (WINDOW - OVERLAP, 34_133) if not generation else (WINDOW - SEED_FRAMES, 34_133)
    if "audio_hop" in generation:
        length = 34_112
    audio, hidden = speech(step + WINDOW), torch.ones(1, WINDOW, CHANNELS, dtype=torch.bool)
    hidden[:, :SEED_FRAMES] = False
    heard = [toy.model.hear(audio[None, start : start + length]) for start in (0, second)]
    seeded = Hint.nothing(WINDOW).motion
    first = toy.model(heard[0], torch.tensor([0]), seeded, hidden)
    seeded[:, :SEED_FRAMES] = toy.decoder.channels(first)[:, step : step + SEED_FRAMES]
    then = toy.model(heard[1], torch.tensor([0]), seeded, hidden)
    (predicted,) = toy.predict(told(step + WINDOW))
    for window, expected in zip(predicted.windows, (first, then), strict=True):
        torch.testing.assert_close(window.latents["hands"], expected.latents["hands"])


def test_codes_fade_where_windows_overlap(build):
    """From the first window's to the second's; as released they are the second's at once."""
    (predicted,) = build().predict(told(WINDOW + 20))
    toy, (first, second) = build(), predicted.windows
    before, after = (toy.vqs.vectors({"hands": w.logits["hands"].argmax(-1)})["hands"][0] for w in (first, second))
    faded = toy.decoder.vectors("hands", predicted)
    start = WINDOW - OVERLAP
    assert torch.equal(faded[:start], before[:start])
    assert torch.equal(faded[WINDOW:], after[OVERLAP:])
    for k in range(OVERLAP):
        share = (k + 1) / (OVERLAP + 1)
        torch.testing.assert_close(faded[start + k], (1 - share) * before[start + k] + share * after[k])
    switched = build(seams="released").decoder.vectors("hands", predicted)
    assert torch.equal(switched, torch.cat((before[:start], after)))


def test_a_jump_between_windows_is_spread(build):
    """One code in the first window, another in the second: no step is a fifth of the released one."""
    steps = {}
    for seams in ("blended", "released"):
        toy = build(seams=seams)
        (predicted,) = toy.predict(told(112))
        for window, code in zip(predicted.windows, (3, 5), strict=True):
            for logits in window.logits.values():
                logits[:] = torch.nn.functional.one_hot(torch.tensor(code), 12).float()
        parts = toy.vqs.decode_vectors({"upper": toy.decoder.vectors("upper", predicted)[None]})
        steps[seams] = parts["upper"][0, 15:-15].diff(dim=0).norm(dim=-1)  # away from the ends of the clip
    assert steps["blended"].max() < 0.2 * steps["released"].max()


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
    (predicted,) = toy.predict(told(30))
    motion = toy.decoder.motion(predicted, BETAS, (0.0, 0.0))
    assert np.abs(motion.poses[:, pose_channels(EYES)]).max() == 0
    poses = torch.from_numpy(motion.poses).unflatten(-1, (55, 3)).double()
    torch.testing.assert_close(axis_angle_from_6d(axis_angle_to_6d(poses)), poses, atol=1e-5, rtol=0)
    parts = toy.decoder.features(predicted.windows[0])
    np.testing.assert_array_equal(motion.expressions, parts["face"][0, :, EXPRESSIONS])


def test_both_conversions_decode_the_same_rotations(toy):
    """Away from half turns, where the released one is coarse."""
    parts = toy.decoder.features(*toy.whole(told(30)))
    stable, legacy = poses_of(parts), poses_of(parts, rotations_legacy)
    plain = stable.unflatten(-1, (55, 3)).norm(dim=-1) < 3
    gap = (stable - legacy).unflatten(-1, (55, 3)).abs().amax(-1)
    assert plain.float().mean() > 0.5
    assert gap[plain].max() < 1e-4


def test_translation_starts_where_it_is_told(toy):
    (predicted,) = toy.predict(told(30))
    here, there = (toy.decoder.motion(predicted, BETAS, start).trans for start in ((0.0, 0.0), (1.5, -2.0)))
    np.testing.assert_allclose(there[0, [0, 2]], [1.5, -2.0], rtol=1e-6)
    np.testing.assert_allclose((there - here)[:, [0, 2]], np.tile([1.5, -2.0], (30, 1)), atol=1e-5)
    np.testing.assert_array_equal(there[:, 1], here[:, 1])


@pytest.mark.parametrize("global_input", ["proper", "raw"])
def test_global_motion_reads_the_lower_body_as_configured(build, global_input):
    """`raw` is the decoded lower body; `proper` does not change when its translation does."""
    toy = build(global_input=global_input)
    (predicted,) = toy.predict(told(30))
    lower = toy.decoder.features(predicted.windows[0])["lower"]
    trans = toy.decoder.motion(predicted, BETAS, (0.0, 0.0)).trans
    with torch.no_grad():
        raw = toy.vqs.network(lower)[0, :, TRANSLATION][:, 1].numpy()
    assert np.allclose(raw, trans[:, 1], atol=1e-6) == (global_input == "raw")
