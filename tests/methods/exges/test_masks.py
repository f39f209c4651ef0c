"""What is given in training: how much, of what, and how that falls."""

import pytest
import torch

from gesturebench.methods.exges.config import ControlConfig
from gesturebench.methods.exges.curriculum import observed_rate
from gesturebench.methods.exges.masks import (
    FRAMES,
    JOINTS,
    KEPT,
    NO_AUDIO,
    NO_CONTROL,
    NOTHING,
    PATH,
    TRACKS,
    TRAJECTORY,
    MaskDraws,
    composed,
    feature_mask,
    given_tracks,
    mask_draws,
)

ROWS, T = 2000, 40
CONFIG = ControlConfig()


@pytest.fixture(scope="module")
def draws() -> MaskDraws:
    return mask_draws(ROWS, T, CONFIG, torch.Generator().manual_seed(1))


def at(draws: MaskDraws, rate: float) -> torch.Tensor:
    return given_tracks(draws, torch.full((len(draws.kind),), rate))


def kind_of(draws: MaskDraws, kind: int) -> torch.Tensor:
    return (draws.kind == kind) & (draws.null != NO_CONTROL)


def share(rows: torch.Tensor) -> float:
    return float(rows.float().mean())


def test_seventy_percent_are_given_something(draws):
    assert share(draws.kind != NOTHING) == pytest.approx(0.7, abs=0.03)


def test_the_mixture_is_40_30_30(draws):
    controlled = draws.kind[draws.kind != NOTHING]
    for kind, expected in ((JOINTS, 0.4), (FRAMES, 0.3), (TRAJECTORY, 0.3)):
        assert share(controlled == kind) == pytest.approx(expected, abs=0.04)


def test_frames_only_moves_all_shares_to_whole_frames():
    draws = mask_draws(ROWS, 4, ControlConfig(part_mask="frames_only"), torch.Generator().manual_seed(1))
    assert set(draws.kind.tolist()) == {NOTHING, FRAMES}
    assert share(draws.kind == FRAMES) == pytest.approx(0.7, abs=0.03)


def test_one_of_both_is_nulled_never_both(draws):
    assert (draws.null[draws.kind == NOTHING] == KEPT).all()
    controlled = draws.null[draws.kind != NOTHING]
    assert share(controlled == NO_AUDIO) == pytest.approx(0.05, abs=0.02)
    assert share(controlled == NO_CONTROL) == pytest.approx(0.05, abs=0.02)


def test_nothing_is_given_where_control_is_nulled(draws):
    assert not at(draws, 0.9)[draws.null == NO_CONTROL].any()
    assert not at(draws, 0.9)[draws.kind == NOTHING].any()
    assert at(draws, 0.9)[kind_of(draws, FRAMES)].any((1, 2)).all()


@pytest.mark.parametrize("rate", [0.9, 0.3, 0.03])
def test_the_observed_share_of_joints_is_the_rate(draws, rate):
    mask = at(draws, rate)[kind_of(draws, JOINTS)]
    assert share(mask[..., :PATH]) == pytest.approx(rate, abs=0.005)
    assert not mask[..., PATH].any()


@pytest.mark.parametrize("rate", [0.9, 0.3, 0.03, 0.001])
def test_whole_frames_are_given_in_the_number_of_the_rate(draws, rate):
    mask = at(draws, rate)[kind_of(draws, FRAMES)]
    assert (mask.any(-1) == mask.all(-1)).all()
    assert (mask[..., 0].sum(1) == max(1, round(rate * T))).all()


@pytest.mark.parametrize("rate", [0.9, 0.3, 0.001])
def test_trajectories_are_runs_of_a_few_tracks_over_half_the_window(draws, rate):
    mask = at(draws, rate)[kind_of(draws, TRAJECTORY)]
    tracks, frames = mask.any(1), mask.any(2)
    assert (tracks.sum(-1) == max(1, round(rate * TRACKS))).all()
    assert (mask == tracks[:, None] & frames[..., None]).all()
    assert frames.sum(1).min() >= T / 2
    assert frames.sum(1).max() <= T
    edges = frames.int().diff(dim=1).abs().sum(1)
    assert edges.max() <= 2
    assert (edges == 2).any()


def test_the_path_of_the_root_is_among_the_trajectories(draws):
    assert at(draws, 0.3)[kind_of(draws, TRAJECTORY)][..., PATH].any()


def test_less_is_given_of_the_same_at_a_lower_rate(draws):
    few, many = at(draws, 0.1), at(draws, 0.5)
    assert (few <= many).all()
    assert few.sum() < many.sum()


def test_rows_have_their_own_rates(draws):
    rate = torch.linspace(0.05, 0.9, ROWS)
    frames = kind_of(draws, FRAMES)
    expected = (rate * T).round().clamp(min=1)[frames]
    assert (given_tracks(draws, rate)[frames][..., 0].sum(1) == expected).all()


def test_features_of_a_track_are_given_together():
    tracks = torch.zeros(TRACKS, dtype=torch.bool)
    tracks[[1, PATH]] = True
    assert feature_mask(tracks).nonzero().flatten().tolist() == [*range(6, 12), 330, 331, 332]


def test_composition_inserts_clean_values():
    x_t, x_0 = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    mask = torch.rand(2, 3, 4) < 0.5
    assert torch.equal(composed(x_t, x_0, mask), mask * x_0 + ~mask * x_t)
    assert torch.equal(composed(x_t, x_0, mask.float()), composed(x_t, x_0, mask))


def test_draws_survive_a_batch(draws):
    again = MaskDraws.of(draws.named())
    assert all(torch.equal(a, b) for a, b in zip(vars(draws).values(), vars(again).values(), strict=True))


@pytest.mark.parametrize("curriculum", ["exponential", "linear"])
def test_the_curriculum_falls_from_first_to_last(curriculum):
    rates = observed_rate(torch.linspace(0, 1, 11), ControlConfig(curriculum=curriculum))
    assert rates[0] == pytest.approx(0.9)
    assert rates[-1] == pytest.approx(0.03)
    assert (rates.diff() < 0).all()


def test_the_two_curricula_fall_evenly_in_their_own_measure():
    p = torch.linspace(0, 1, 11, dtype=torch.float64)
    steps = observed_rate(p, ControlConfig(curriculum="exponential")).log().diff()
    assert steps.std() < 1e-9
    assert observed_rate(p, ControlConfig(curriculum="linear")).diff().std() < 1e-9


def test_without_a_curriculum_the_last_rate_holds_throughout():
    assert (observed_rate(torch.linspace(0, 1, 5), ControlConfig(curriculum="off")) == CONFIG.last_rate).all()
