"""Insertion guidance in closed form, classifier-free weights, and the schedules of updates."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.diffusion.guidance import ITERATIONS, coarse_to_fine_weights, insert, iterations, overwrite
from gesturebench.common.errors import InputError


@pytest.fixture
def state():
    g = torch.Generator().manual_seed(0)
    x, target = (torch.randn(2, 5, 4, generator=g, dtype=torch.float64) for _ in range(2))
    return x, target, torch.tensor([True, False, True, True, False])[None, :, None]


@pytest.mark.parametrize("count", [0, 1, 2, 10, 24])
@pytest.mark.parametrize("lr", [0.01, 0.1, 0.5, 0.9])
def test_insert_equals_explicit_gradient_steps(state, count, lr):
    """On the sum of squared differences of the masked tokens, with autograd."""
    x, target, mask = state
    stepped = x.clone()
    for _ in range(count):
        stepped.requires_grad_(True)
        ((stepped - target) * mask).square().sum().backward()
        stepped = (stepped - lr * stepped.grad).detach()
    torch.testing.assert_close(insert(x, target, mask, count, lr), stepped, atol=1e-6, rtol=0)


def test_insert_does_not_depend_on_the_batch(state):
    x, target, mask = state
    together = insert(x, target, mask, 3, 0.1)
    alone = torch.cat([insert(x[k : k + 1], target[k : k + 1], mask, 3, 0.1) for k in range(2)])
    assert torch.equal(together, alone)


@given(st.integers(0, 999), st.floats(0, 20))
def test_weights_sum_to_one(timestep, coarse):
    """So equal predictions of both branches are left as they are."""
    assert sum(coarse_to_fine_weights(timestep, coarse=coarse, late=(0.25, 0.75))) == pytest.approx(1)


def test_guidance_is_strong_early_and_as_told_late():
    told = {"coarse": 6.5, "late": (0.25, 0.75)}
    assert coarse_to_fine_weights(999, **told)[0] == pytest.approx(7.4935)
    assert coarse_to_fine_weights(101, **told)[0] == pytest.approx(1.6565)
    assert coarse_to_fine_weights(100, **told) == coarse_to_fine_weights(0, **told) == (0.25, 0.75)


def test_overwriting_noises_what_is_known_and_leaves_the_rest(state):
    x, known, mask = state
    noise = torch.ones_like(x)
    written = overwrite(x, known, mask, noise, 0.36)
    torch.testing.assert_close(written[:, mask[0, :, 0]], 0.6 * known[:, mask[0, :, 0]] + 0.8)
    assert torch.equal(written[:, ~mask[0, :, 0]], x[:, ~mask[0, :, 0]])


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("all_one", 49), ("all_zero", 0), ("all_10", 490), ("decreasing", 1176), ("increasing", 1225),
        ("drop_decreasing_till_25", 876), ("step_increasing_from_25", 925), ("decreasing_till_25", 276),
        ("increasing_from_25", 300),
    ],
)  # fmt: skip
def test_totals_of_the_published_schedules(name, total):
    assert sum(iterations(name)) == total


@pytest.mark.parametrize("name", ITERATIONS)
@pytest.mark.parametrize("steps", [1, 2, 10, 50, 1000])
def test_any_number_of_steps(name, steps):
    counts = iterations(name, steps)
    assert len(counts) == steps
    assert min(counts) >= 0
    assert counts[-1] == 0


def test_unknown_schedule_lists_near_matches():
    with pytest.raises(InputError, match="did you mean 'decreasing'"):
        iterations("decreasin")
