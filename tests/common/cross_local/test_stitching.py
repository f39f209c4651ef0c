"""Windows of any speech become one motion of its length."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.cross_local.stitching import Layout, Stitching

WINDOW, SEED = 10, 3


@given(frames=st.integers(1, 60), seed=st.integers(1, 6))
def test_windows_cover_every_frame_once(frames, seed):
    layout = Layout(frames, WINDOW, seed)
    stitching = Stitching(torch.zeros(seed, 1))
    places = layout.padded(torch.arange(-seed, 0.0)[:, None], torch.arange(float(frames))[:, None])
    assert len(places) == layout.reach
    for start in layout.starts:
        assert len(places[start : start + WINDOW]) == WINDOW
        stitching.add(places[start : start + WINDOW])
    assert layout.kept(stitching.joined())[:, 0].tolist() == pytest.approx(list(range(frames)))
    assert layout.count == 1 or layout.starts[-2] + WINDOW < seed + frames, "no window too many"


def test_the_next_window_is_told_what_the_last_one_became():
    stitching = Stitching(torch.zeros(SEED, 2))
    assert torch.equal(stitching.seed, torch.zeros(SEED, 2))
    first = torch.randn(WINDOW, 2)
    stitching.add(first)
    assert torch.equal(stitching.seed, first[-SEED:])


def test_the_intended_seam_moves_evenly_and_the_released_one_jumps():
    def jumps(blend):
        stitching = Stitching(torch.zeros(SEED, 1), blend=blend)
        for level in (0.0, 4.0):
            stitching.add(torch.full((WINDOW, 1), level))
        return stitching.joined().diff(dim=0).abs()

    assert float(jumps("intended").max()) == pytest.approx(1.0)
    assert float(jumps("first_frame").max()) == pytest.approx(2.0)


def test_the_body_goes_on_where_it_stood():
    stitching = Stitching(torch.zeros(SEED, 2), root=slice(0, 1))
    steps = torch.arange(float(WINDOW))[:, None].repeat(1, 2)
    stitching.add(steps)
    stitching.add(steps)
    found = stitching.joined()
    assert found[:, 0].tolist() == list(range(2 * WINDOW - SEED))
    assert float(found[:, 1].diff().min()) < 0, "what is no position is not moved"
