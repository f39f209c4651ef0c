"""Speech of any length: windows become one motion that is as long as the speech, without a jump and without a pile of
windows in memory.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from gesturebench.common.corpus.clip import SAMPLE_RATE, Motion, Speech
from gesturebench.common.motion.parts import motion_from_six
from gesturebench.common.motion.resample import upsample
from gesturebench.common.motion.rotations import axis_angle_to_6d
from gesturebench.common.motion.seams import Frames, blended
from gesturebench.methods.rag_gesture.config import PRESETS
from gesturebench.methods.rag_gesture.track import Track

RETRIEVAL = {"strategy": "discourse", "window_stride": 30}
CONFIG = PRESETS["tiny"]
LENGTH, OVERLAP = CONFIG.codec.frames, CONFIG.overlap


def long_speech(store, seconds: int) -> Speech:
    """The test clips one after another, again and again, as one speech."""
    told, audio, offset = {"words": [], "relations": [], "prominence": []}, [], 0.0
    clips = [store.speech(clip) for clip in store.split("test")]
    while offset < seconds:
        for speech in clips:
            for name, rows in told.items():
                rows += [_later(row, offset) for row in getattr(speech, name)]
            audio.append(speech.audio)
            offset += speech.duration_s
    kept = {name: tuple(row for row in rows if row.end_s <= seconds) for name, rows in told.items()}
    return replace(clips[0], clip_id="9_long_0_1_1", audio=np.concatenate(audio)[: seconds * SAMPLE_RATE], **kept)


def _later(row, offset: float):
    times = [name for name in ("start_s", "end_s", "connective_start_s", "connective_end_s") if hasattr(row, name)]
    return replace(row, **{name: getattr(row, name) + offset for name in times})


def speeds(motion: Motion) -> dict[str, np.ndarray]:
    """Change from frame to frame of rotations (6D, all joints), translation and expressions."""
    six = axis_angle_to_6d(torch.from_numpy(np.array(motion.poses)).unflatten(-1, (55, 3))).flatten(1).numpy()
    of = {"rotations": six, "translation": motion.trans, "expressions": motion.expressions}
    return {name: np.linalg.norm(np.diff(rows, axis=0), axis=1) for name, rows in of.items()}


def around_seams(speed: np.ndarray, before: int, after: int) -> tuple[float, float]:
    """99th percentiles (at seams, elsewhere). Small windows start every 90 frames of 30 fps and share the first 30: a
    seam is `before` steps before its first shared frame to `after` steps behind it."""
    seams = np.zeros(len(speed), bool)
    for start in range(90, len(speed) - 60, 90):
        seams[start - before : start + after] = True
    return float(np.percentile(speed[seams], 99)), float(np.percentile(speed[~seams], 99))


@pytest.mark.parametrize(
    "overrides",
    [{}, *({"retrieval": RETRIEVAL, "guidance": {"mode": m, "schedule": "all_10"}} for m in ("paper", "released"))],
    ids=["base", "paper", "released"],
)
def test_two_minutes_of_speech_are_two_minutes_of_motion_without_a_jump(small, store, overrides):
    """Where windows fade into each other, motion is no faster than the 99th percentile elsewhere. At both ends of a
    seam stand steps between two chunks of a codec that was hardly trained, fast wherever they are: they may be slower
    or faster than others, but far from what a cut would make of them."""
    motion = small.load("rag_gesture", **overrides).generate([long_speech(store, 120)], seed=0)[0]
    assert motion.checked("long").n_frames == 3600
    for name, speed in speeds(motion).items():
        fading, elsewhere = around_seams(speed, 0, 28)
        assert fading <= elsewhere, name
        whole, elsewhere = around_seams(speed, 2, 32)
        assert whole <= 1.6 * elsewhere, name


def test_a_cut_in_place_of_a_seam_is_seen(small, store, monkeypatch):
    """The measure above, on windows put one after another."""
    monkeypatch.setattr("gesturebench.common.motion.seams._crossfaded", lambda a, b: torch.cat((a, b[len(a) :])))
    motion = small.load("rag_gesture").generate([long_speech(store, 120)], seed=0)[0]
    for name in ("translation", "expressions"):
        whole, elsewhere = around_seams(speeds(motion)[name], 2, 32)
        assert whole > 1.6 * elsewhere, name


@pytest.mark.parametrize("mode", ["paper", "released"])
def test_paper_goes_on_where_the_window_before_ended_and_released_does_not(small, store, mode):
    """Guided windows without what is carried from the one before as the measure: `released` forgets it."""
    overrides = {"retrieval": RETRIEVAL, "guidance": {"mode": mode, "schedule": "all_10"}}
    generator = small.load("rag_gesture", **overrides)._generator
    slots, carried = generator._layout.slots, generator._carried
    speech, seen = long_speech(store, 30), []
    decode = generator._decode
    generator._decode = lambda latents: (seen.append(latents[0]), decode(latents))[1]
    gaps = {}
    for generator._carried in (0, carried):
        seen.clear()
        generator.batch([speech], 0)
        gaps[generator._carried] = np.mean(
            [float((a[slots - carried : slots] - b[:carried]).square().mean()) for a, b in pairwise(seen)]
        )
    kept = gaps[carried] / gaps[0]
    assert kept < 0.1 if mode == "paper" else kept > 0.3


def random_window(generator: torch.Generator) -> Frames:
    six, expressions, trans = (torch.randn(LENGTH, *shape, generator=generator) for shape in ((55, 6), (100,), (3,)))
    return six + torch.tensor([2.0, 0, 0, 0, 2.0, 0]), expressions, trans - trans[0] * torch.tensor([1.0, 0.0, 1.0])


def tracked(n_frames: int, seams: str = "anchored") -> tuple[Track, list[Frames]]:
    """A track that was given random windows, and these."""
    speech = Speech("9_any_0_1_1", np.zeros(-(-n_frames * SAMPLE_RATE // 30), np.float32), 9)
    track = Track(speech, CONFIG.updated({"seams": seams}), np.zeros(300, np.float32))
    g = torch.Generator().manual_seed(n_frames)
    windows = [random_window(g) for _ in track.starts]
    for window in windows:
        track.add(torch.zeros(3, 4), window)
    return track, windows


@pytest.mark.parametrize("n_frames", [1, 2, 15, 119, 120, 121, 209, 210, 211, 1000, 3601])
def test_joined_bit_by_bit_is_joined_at_once(n_frames):
    track, windows = tracked(n_frames)
    motion = track.motion()
    whole = upsample(motion_from_six(*blended(windows, OVERLAP), np.zeros(300), CONFIG.codec.fps), 30, n_frames)
    assert motion.n_frames == n_frames
    for name in ("poses", "expressions", "trans"):
        np.testing.assert_allclose(getattr(motion, name), getattr(whole, name), atol=2e-6)


def test_a_track_holds_no_more_of_a_longer_speech():
    """Beside finished motion: what waits for the next window."""

    def held(n_frames: int) -> int:
        track, _ = tracked(n_frames)
        kept = (*track._joined._waiting, *track._last, track.latest)
        return sum(part.untyped_storage().nbytes() for part in kept)

    assert held(6000) == held(300) < 2 * LENGTH * (55 * 6 + 103) * 4


def test_released_seams_fade_back_to_where_every_window_begins():
    """Anchored windows that walk walk on; as released they are drawn back to the start at every seam."""
    track, _ = tracked(300)
    anchored = track.motion().trans
    released = tracked(300, "released")[0].motion().trans
    first_seam = 2 * (LENGTH - OVERLAP)
    np.testing.assert_allclose(anchored[:first_seam], released[:first_seam], atol=1e-6)
    np.testing.assert_allclose(anchored[:, 1], released[:, 1], atol=1e-6)
    drift = anchored[first_seam + 2 * OVERLAP :, [0, 2]] - released[first_seam + 2 * OVERLAP :, [0, 2]]
    assert np.abs(drift).min() > 0.1
