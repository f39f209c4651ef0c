"""Windows cover a speech of any length once; what released code leaves out is left out by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.errors import InputError
from gesturebench.methods.mambatalk.config import GenerationConfig, NetworkConfig
from gesturebench.methods.mambatalk.windows import grouped, heard_samples, planned

NETWORK, BLENDED = NetworkConfig(), GenerationConfig()
RELEASED = GenerationConfig(seams="released", tail="released")


@given(st.integers(1, 30 * 600))
def test_every_frame_is_in_a_window_and_no_window_is_for_nothing(frames):
    plan = planned(frames, NETWORK, BLENDED)
    assert plan.frames == frames
    assert plan.start(plan.windows - 1) + NETWORK.window >= frames
    assert plan.windows == 1 or plan.start(plan.windows - 1) + BLENDED.overlap < frames


@given(st.integers(64, 30 * 600))
def test_released_windows_are_whole_and_leave_up_to_66_frames_out(frames):
    plan = planned(frames, NETWORK, RELEASED)
    assert plan.start(plan.windows - 1) + NETWORK.window == plan.frames
    assert 0 <= frames - plan.frames <= 7 + 59


@given(st.integers(1, 400), st.integers(1, 20))
def test_groups_hold_every_window_once_in_order_and_are_not_too_large(windows, most):
    groups = grouped(windows, most)
    assert [k for group in groups for k in group] == list(range(windows))
    assert all(1 <= len(group) <= most for group in groups)


@pytest.mark.parametrize("frames", [1, 63])
def test_released_windows_need_one_whole(frames):
    with pytest.raises(InputError, match=f"a speech of {frames} frames; expected 64 or more.*generation.tail=whole"):
        planned(frames, NETWORK, RELEASED)


def test_the_released_hop_falls_behind_by_twenty_samples_per_window():
    exact, released = ([heard_samples(60 * k, NETWORK, hop)[0] for k in range(31)] for hop in ("exact", "released"))
    assert [a - b for a, b in zip(exact, released, strict=True)] == [20 * k for k in range(31)]
    assert (exact[-1] - released[-1]) / 16_000 == pytest.approx(0.0375)
    assert heard_samples(0, NETWORK, "exact")[1] == 34_133
    assert heard_samples(0, NETWORK, "released")[1] == 34_112
