"""Windows cover every length, and blending them neither shortens, shakes nor teleports a motion."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.motion.seams import blended, joined_windows, window_starts

LENGTH, OVERLAP = 60, 15


def frames(count: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(count, *shape, generator=g) for shape in ((55, 6), (100,), (3,)))


@pytest.mark.parametrize(("length", "overlap"), [(150, 15), (60, 15), (10, 9), (4, 1), (7, 0)])
def test_windows_cover_every_total(length, overlap):
    for total in range(1, 1001):
        starts = window_starts(total, length, overlap)
        assert starts[0] == 0
        assert all(b - a == length - overlap for a, b in pairwise(starts))
        assert starts[-1] + length >= total
        assert len(starts) == 1 or starts[-2] + length < total  # the last window is needed


def pieces(whole: tuple[torch.Tensor, ...], total: int) -> list[tuple[torch.Tensor, ...]]:
    """Windows of a motion, each with its translation moved to start at zero in x and z, as codecs have it."""
    windows = []
    for start in window_starts(total, LENGTH, OVERLAP):
        six, expressions, trans = (part[start : start + LENGTH] for part in whole)
        windows.append((six, expressions, trans - trans[0] * torch.tensor([1.0, 0.0, 1.0])))
    return windows


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(0, 1000))
def test_windows_of_one_motion_blend_back_into_it(count, seed):
    """Length, rotations and expressions return exactly; translation up to where x and z began."""
    total = LENGTH + (count - 1) * (LENGTH - OVERLAP)
    six, expressions, trans = frames(total, seed)
    back = blended(pieces((six, expressions, trans), total), OVERLAP)
    torch.testing.assert_close(back[0], six)
    torch.testing.assert_close(back[1], expressions)
    torch.testing.assert_close(back[2], trans - trans[0] * torch.tensor([1.0, 0.0, 1.0]), atol=1e-5, rtol=1e-5)


def test_constant_motion_stays_constant():
    six, expressions, trans = (part[:1].expand(LENGTH, *part.shape[1:]) for part in frames(1))
    back = blended([(six, expressions, trans * torch.tensor([0.0, 1.0, 0.0]))] * 4, OVERLAP)
    assert len(back[0]) == LENGTH + 3 * (LENGTH - OVERLAP)
    for part in back:
        torch.testing.assert_close(part, part[:1].expand_as(part))


def test_walking_on_does_not_jump_back():
    """Every window walks 3 m from zero; together they walk on, at the pace of each."""
    steps = torch.linspace(0, 3, LENGTH)
    trans = torch.stack((steps, torch.full_like(steps, 1.2), -steps), -1)
    six, expressions, _ = frames(LENGTH)
    _, _, walked = blended([(six, expressions, trans)] * 3, OVERLAP)
    torch.testing.assert_close(walked.diff(dim=0), trans[1:2].sub(trans[:1]).expand(len(walked) - 1, 3))


def test_the_fade_is_linear():
    zero, one = (
        (torch.full((LENGTH, 55, 6), v), torch.full((LENGTH, 100), v), torch.zeros(LENGTH, 3)) for v in (0.0, 1.0)
    )
    six, expressions, _ = blended([zero, one], OVERLAP)
    fade = torch.linspace(0, 1, OVERLAP)
    torch.testing.assert_close(expressions[LENGTH - OVERLAP : LENGTH, 0], fade)
    torch.testing.assert_close(six[LENGTH - OVERLAP : LENGTH, 7, 3], fade)


def test_shared_frames_fade_or_are_those_of_one_window():
    windows = torch.arange(3.0)[:, None, None].expand(3, 6, 1)
    assert joined_windows(windows, 2, "first")[:, 0].tolist() == [0] * 6 + [1] * 4 + [2] * 4
    assert joined_windows(windows, 2, "second")[:, 0].tolist() == [0] * 4 + [1] * 4 + [2] * 6
    fading = joined_windows(windows, 2, "faded")[:, 0].tolist()
    assert fading == pytest.approx([0, 0, 0, 0, 1 / 3, 2 / 3, 1, 1, 4 / 3, 5 / 3, 2, 2, 2, 2])


@pytest.mark.parametrize("shared", ["first", "second", "faded"])
@given(window=st.integers(2, 12), windows=st.integers(1, 5), last=st.integers(0, 11), data=st.data())
def test_windows_of_one_sequence_are_joined_to_it(shared, window, windows, last, data):
    """Whatever they share, and however short the last one is."""
    overlap = data.draw(st.integers(1, window // 2))
    starts = [k * (window - overlap) for k in range(windows)]
    whole = torch.arange(1.0, 3 * (starts[-1] + max(overlap, window - last)) + 1).reshape(-1, 3)
    cut = [whole[start : start + window] for start in starts]
    torch.testing.assert_close(joined_windows(cut, overlap, shared), whole)
