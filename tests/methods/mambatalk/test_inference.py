"""Windows in a row: the fast walk equals the plain one, whatever is batched, and every window starts where the one
before ended."""

import numpy as np
import pytest
import torch

from gesturebench.common.errors import InputError
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.common.motion.rotations import axis_angle_from_6d, axis_angle_to_6d
from gesturebench.common.motion.translation import from_velocity_channels
from gesturebench.methods.mambatalk.attention import Attention
from gesturebench.methods.mambatalk.decoding import walked
from gesturebench.methods.mambatalk.losses import all_but_seed

NO_SCANS = {"network": {"local_scan": "none", "global_scan": "none"}}
VARIANTS = {
    "whole": {},
    "no scans": NO_SCANS,
    "no codes": {"network": {"target": "motion"}},
    "released": {"generation": {"audio_hop": "released", "tail": "released", "rotations": "legacy"}},
}


def plainly(made, track) -> dict[str, torch.Tensor]:
    """The whole network on one window after another, as the paper has it."""
    seed, chosen = track.seed, {}
    for k in range(track.plan.windows):
        audio, words = (x[None] for x in track.told(k))
        motion = torch.zeros(1, made.config.network.window, 337)
        motion[:, : len(seed)] = seed
        speaker = torch.full(words.shape, track.speaker)
        found = made.decoder.chosen(made.network(audio, words, speaker, motion, all_but_seed(motion, len(seed))))
        seed = made.decoder.seed(found, torch.tensor([track.start_xz]))[0]
        for part, x in found.items():
            chosen.setdefault(part, []).append(x[0])
    return {part: torch.stack(windows) for part, windows in chosen.items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_walk_is_the_plain_one(variant, untrained):
    made = untrained(**VARIANTS[variant])
    plain = plainly(made, made.track(100))
    track, talker = made.track(100), made.talker()
    talker.walk([track])
    whole = track.windows()
    assert whole.keys() == plain.keys()
    for part, x in plain.items():
        torch.testing.assert_close(whole[part], x, rtol=1e-4, atol=1e-4)


def test_side_by_side_is_one_after_another(untrained):
    """With two threads the body, the ears and the face work at the same time."""
    made = untrained(network={"target": "motion"})
    one, two, before = made.track(200), made.track(200), torch.get_num_threads()
    try:
        for track, threads in ((one, 1), (two, 2)):
            torch.set_num_threads(threads)
            made.talker().walk([track])
    finally:
        torch.set_num_threads(before)
    for part, x in one.windows().items():
        torch.testing.assert_close(two.windows()[part], x, atol=1e-4, rtol=1e-4)


def test_speech_is_not_kept_longer_than_it_is_needed(untrained):
    """What is left of a window are its codes, however long the speech is."""
    made = untrained(**NO_SCANS)
    track, seen, talker = made.track(1500), [], made.talker()
    talker.walk([track], lambda: seen.append(len(track.heard["face"])))
    assert track.plan.windows == 63
    assert max(seen) <= 3 * made.config.generation.together
    assert not track.hints
    assert not any(track.heard.values())


def test_attention_to_speech_with_keys_made_beforehand_is_the_decoders(untrained):
    local = untrained(network={"cross_layers": 3}).network.local_scan
    motion, heard = torch.randn(2, 32, 32), torch.randn(2, 32, 16)
    attention = Attention(local.motion_cross_attn.layers, local.body_proj)
    expected = local.motion_cross_attn(motion, local.body_proj(heard))
    torch.testing.assert_close(attention(motion, attention.memory(heard)), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("target", "seams", "first"), [("codes", "blended", 24), ("motion", "blended", 24), ("codes", "released", 28)]
)
def test_a_seed_is_a_piece_of_the_window_decoded_whole(target, seams, first, untrained):
    """Where the next window begins, though no more is decoded than those frames depend on."""
    made, frames = untrained(network={"target": target}, generation={"seams": seams}), slice(first, first + 4)
    chosen = {part: torch.randint(made.config.priors.codec.codes, (2, 32)) for part in ("upper", "hands", "lower")}
    if target == "motion":
        chosen = {part: torch.randn(2, 32, PART_FEATURES[part]) for part in chosen}
    seed, whole = made.decoder.seed(chosen, torch.zeros(2, 2)), made.decoder.features(chosen)
    poses = made.decoder._poses({part: x[:, frames] for part, x in whole.items()})
    torch.testing.assert_close(seed[..., :330], axis_angle_to_6d(poses).flatten(-2), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(seed[..., 333:], whole["lower"][:, frames, 57:])


def test_what_is_batched_does_not_matter(untrained):
    made = untrained()
    lengths = (15, 32, 33, 120)
    together = [made.track(n, seed=n) for n in lengths]
    alone = [made.track(n, seed=n) for n in lengths]
    talker = made.talker()
    talker.walk(together)
    few = untrained(generation={"together": 1}).talker()
    for track in alone:
        few.walk([track])
    for a, b in zip(together, alone, strict=True):
        for part, x in a.windows().items():
            assert torch.equal(x, b.windows()[part]), part


@pytest.mark.parametrize("frames", [1, 15, 31, 32, 33, 60, 61, 300])
def test_motion_has_as_many_frames_as_the_speech(frames, untrained):
    made = untrained(**NO_SCANS)
    track, talker = made.track(frames), made.talker()
    talker.walk([track])
    motion = talker.motion(track, None).checked("a walk")
    assert motion.n_frames == frames
    assert np.allclose(motion.trans[0, [0, 2]], track.start_xz)


def test_released_tails_are_not_generated(untrained):
    made = untrained(**NO_SCANS, generation={"tail": "released", "seams": "released"})
    track, talker = made.track(97), made.talker()
    talker.walk([track])
    assert {x.shape for x in track.windows().values()} == {(3, 32)}
    assert talker.motion(track, None).n_frames == 3 * 28 + 4
    with pytest.raises(InputError, match="a speech of 20 frames"):
        made.track(20)


def test_a_released_window_starts_with_the_frames_that_the_one_before_ended_with(untrained):
    """But for the jaw, which rests, and for x and z, which walk from the start of the whole motion."""
    made = untrained(generation={"seams": "released"})
    track, talker = made.track(60), made.talker()
    talker.walk([track])
    codes = {part: track.windows()[part][-1:] for part in ("upper", "hands", "lower")}
    frames = made.decoder.features(codes)
    upper = axis_angle_from_6d(frames["upper"][0, -4:].unflatten(-1, (-1, 6)))
    seed = axis_angle_from_6d(track.seed[:, :330].unflatten(-1, (55, 6)))
    torch.testing.assert_close(seed[:, [3, 6, 9, 12]], upper[:, :4], atol=1e-4, rtol=1e-4)
    assert torch.allclose(seed[:, 22:25], torch.zeros(4, 3, 3), atol=1e-6)
    torch.testing.assert_close(track.seed[:, 333:], frames["lower"][0, -4:, 57:])


def test_walked_positions_are_those_of_the_one_clip_formula():
    channels = torch.randn(2, 40, 3)
    start = torch.tensor([[0.5, -1.0], [0.0, 2.0]])
    for row, (clip, xz) in enumerate(zip(channels.numpy(), start.numpy(), strict=True)):
        expected = from_velocity_channels(clip, 1 / 30, tuple(xz))
        np.testing.assert_allclose(walked(channels, start)[row].numpy(), expected, atol=1e-6)


def test_what_is_said_later_does_not_change_windows_before(untrained):
    made = untrained(network={"target": "motion"})
    first, second = made.track(100), made.track(100)
    second.channels._audio[16_000 * 70 // 30 :] = 0.3  # behind the second window
    talker = made.talker()
    talker.walk([first])
    talker.walk([second])
    a, b = (track.windows()["upper"] for track in (first, second))
    assert torch.equal(a[:2], b[:2])
    assert not torch.allclose(a[2:], b[2:])
