"""Frame rates: both published interpolations, and the one that undoes leaving frames out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.errors import InputError
from gesturebench.common.motion.resample import decimate, frame_positions, interpolated, upsample

from .conftest import smooth_motion

PLACEMENTS = ("aligned", "half_pixel", "end_to_end")


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 100))
def test_published_variants_are_torchs_and_numpys(n, factor, seed):
    x = np.random.default_rng(seed).normal(size=(n, 2))
    half = interpolated(x, frame_positions(n, factor, "half_pixel"))
    expected = torch.nn.functional.interpolate(torch.from_numpy(x.T[None]), scale_factor=factor, mode="linear")
    np.testing.assert_allclose(half, expected[0].T.numpy(), atol=1e-12)
    ends = interpolated(x, frame_positions(n, factor, "end_to_end"))
    places = np.linspace(0, n - 1, factor * n)
    np.testing.assert_allclose(ends, np.stack([np.interp(places, range(n), c) for c in x.T], 1), atol=1e-12)


@given(st.integers(1, 40), st.integers(1, 5), st.sampled_from(PLACEMENTS))
def test_places_are_ordered_and_inside(n, factor, placement):
    places = frame_positions(n, factor, placement)
    assert len(places) == n * factor
    assert (np.diff(places) >= 0).all()
    assert places.min() >= 0
    assert places.max() <= n - 1


def test_kept_frames_come_back():
    motion = smooth_motion(31)
    back = upsample(decimate(motion, 15), 30, 31)
    np.testing.assert_allclose(back.poses[::2], motion.poses[::2], atol=1e-6)
    np.testing.assert_array_equal(back.trans[::2], motion.trans[::2])
    assert (back.n_frames, back.fps) == (31, 30)


def test_error_falls_with_the_square_of_the_step():
    """Linear interpolation of a smooth motion is of second order; a displaced grid is only of first."""

    def error(fps: float, placement: str = "aligned") -> float:
        fine = smooth_motion(int(4 * fps) + 1, seed=4, fps=fps)
        back = upsample(decimate(fine, fps / 2), fps, fine.n_frames, placement)
        return float(np.abs(back.trans - fine.trans)[4:-4].max())

    assert error(30) / error(60) == pytest.approx(4, rel=0.3)
    assert error(30, "half_pixel") > 3 * error(30)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("n", [1, 19, 20, 27])
def test_length_is_exactly_what_was_asked(placement, n):
    motion = smooth_motion(10, fps=15)
    out = upsample(motion, 30, n, placement)
    assert [len(array) for array in (out.poses, out.expressions, out.trans)] == [n] * 3
    free = upsample(motion, 30, None, placement)
    np.testing.assert_array_equal(out.poses[:20], free.poses[:n])
    np.testing.assert_array_equal(out.poses[20:], np.broadcast_to(free.poses[-1], out.poses[20:].shape))


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_frozen_pose_stays_frozen(placement):
    motion = smooth_motion(8, fps=15)
    frozen = replace(motion, poses=np.repeat(motion.poses[:1], 8, 0), trans=np.repeat(motion.trans[:1], 8, 0))
    out = upsample(frozen, 30, placement=placement)
    np.testing.assert_allclose(out.poses, np.repeat(motion.poses[:1], 16, 0), atol=1e-6)
    np.testing.assert_allclose(out.trans, np.repeat(motion.trans[:1], 16, 0), atol=1e-7)


def test_one_frame_can_be_stretched():
    assert upsample(smooth_motion(1, fps=15), 30).n_frames == 2


def test_crooked_ratio_is_refused():
    with pytest.raises(InputError, match="30 and 25 frames per second"):
        decimate(smooth_motion(5), 25)
    with pytest.raises(InputError, match="whole ratio"):
        upsample(smooth_motion(5), 15)
