"""When a curve has come near its end."""

import numpy as np

from gesturebench.common.convergence import settled_step


def curve(values) -> list[dict[str, float]]:
    return [{"step": 10 * (k + 1), "loss": float(v)} for k, v in enumerate(values)]


def test_a_fall_has_settled_when_it_is_near_its_end():
    losses = curve(1 + np.exp(-np.arange(100) / 10))
    found = settled_step(losses)
    tail = [row["loss"] for row in losses[-10:]]
    means = {row["step"]: np.mean([r["loss"] for r in losses[max(0, k - 9) : k + 1]]) for k, row in enumerate(losses)}
    assert means[found] <= 1.05 * np.mean(tail) < means[found - 10]
    assert settled_step(losses, share=0.5) < found < settled_step(losses, share=0.01)


def test_one_lucky_batch_is_no_convergence():
    values = np.full(100, 2.0)
    values[50:], values[10] = 1.0, 0.5
    assert settled_step(curve(values)) > 500


def test_curves_that_do_not_fall_settle_at_their_first_row():
    assert settled_step(curve(np.ones(7))) == 10
    assert settled_step(curve([-1.0] * 3)) == 10
    assert settled_step([]) == 0
