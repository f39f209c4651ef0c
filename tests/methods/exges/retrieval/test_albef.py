"""Losses and queues as arithmetic, beside plain restatements; golden data is compared in tests/parity."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from gesturebench.methods.exges.retrieval import albef
from gesturebench.methods.exges.retrieval.contrast import forbidden_negatives


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=12))
def test_queues_hold_the_last_pairs(batches):
    """However large the batches: after them the queue holds the newest ids, each with its own features."""
    queues, seen = albef.Queues(5, 2), 0
    for count in batches:
        ids = torch.arange(seen, seen + count)
        queues.enqueue(ids[:, None] * torch.ones(2), -ids[:, None] * torch.ones(2), ids)
        seen += count
    expected = set(range(max(0, seen - 5), seen)) | ({albef.NOBODY} if seen < 5 else set())
    assert set(queues.ids.tolist()) == expected
    taken = queues.ids >= 0
    assert torch.equal(queues.a[taken, 0], queues.ids[taken].float())
    assert torch.equal(queues.b[taken, 0], -queues.ids[taken].float())


def test_a_new_queue_holds_unit_vectors_of_nobody():
    queues = albef.Queues(6, 4)
    torch.testing.assert_close(queues.a.norm(dim=1), torch.ones(6))
    assert (queues.ids == albef.NOBODY).all()


def test_contrast_is_the_cross_entropy_of_both_directions():
    a, b, a_m, b_m = (unit(3, 4, seed=k) for k in range(4))
    queues, tau, alpha = albef.Queues(2, 4), torch.tensor(0.2), 0.3
    found = albef.contrast((a, b), (a_m, b_m), queues, torch.tensor([4, 5, 6]), tau, alpha)
    expected = 0.0
    for x, x_m, c in ((a, a_m, torch.cat((b_m, queues.b))), (b, b_m, torch.cat((a_m, queues.a)))):
        for i in range(3):
            p, q = ((v[i] @ c.T / tau).softmax(0) for v in (x, x_m))
            target = alpha * q + (1 - alpha) * torch.eye(5)[i]
            expected = expected - (target * p.log()).sum() / 6
    torch.testing.assert_close(found.ita, torch.as_tensor(expected))


def test_a_queued_copy_of_the_own_pair_is_a_positive():
    own, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    queues = albef.Queues(1, 2)
    queues.enqueue(other, other, torch.tensor([7]))
    near, far = torch.tensor([1.0, 0.0]).log_softmax(0)

    def loss(entry: int) -> torch.Tensor:
        return albef.contrast((own, own), (own, own), queues, torch.tensor([entry]), torch.tensor(1.0), 0.0).ita

    torch.testing.assert_close(loss(7), -(near + far) / 2)
    torch.testing.assert_close(loss(8), -near)


def test_candidates_get_no_gradient_but_the_temperature_does():
    a, b = unit(3, 4).requires_grad_(), unit(3, 4, seed=1).requires_grad_()
    a_m, b_m, tau = unit(3, 4, seed=2).requires_grad_(), unit(3, 4, seed=3).requires_grad_(), torch.tensor(0.1)
    tau.requires_grad_()
    albef.contrast((a, b), (a_m, b_m), albef.Queues(3, 4), torch.arange(3), tau, 0.4).ita.backward()
    assert a_m.grad is None
    assert b_m.grad is None
    assert a.grad.abs().sum() > 0
    assert b.grad.abs().sum() > 0
    assert tau.grad.abs() > 0


def test_the_distance_to_an_equal_teacher_is_zero():
    a, b = unit(3, 4), unit(3, 4, seed=1)
    queues = albef.Queues(3, 4)
    own = albef.contrast((a, b), (a, b), queues, torch.arange(3), torch.tensor(0.1), 0.4).distance
    other = albef.contrast((a, b), (b, a), queues, torch.arange(3), torch.tensor(0.1), 0.4).distance
    assert own.item() == pytest.approx(0, abs=1e-5)
    assert other > 0.01


def test_the_teacher_follows_slowly():
    teacher, online = [torch.zeros(2)], [torch.ones(2)]
    for _ in range(3):
        albef.momentum_update(teacher, online, 0.9)
    torch.testing.assert_close(teacher[0], torch.full((2,), 1 - 0.9**3))


def test_negatives_are_drawn_in_proportion_to_their_weights():
    logits = torch.tensor([[9.0, 0.0, 1.0, 2.0]])
    weights = albef.negative_weights(logits, torch.tensor([[True, False, False, False]]), least=0.0)
    coins = (torch.arange(20_000) + 0.5) / 20_000
    drawn = albef.drawn(weights.expand(len(coins), -1), coins)
    shares = torch.bincount(drawn, minlength=4) / len(coins)
    torch.testing.assert_close(shares, weights[0] / weights.sum(), atol=1e-4, rtol=0)
    assert shares[0] == 0


def test_a_certain_match_leaves_negatives_to_draw():
    """One similarity so high that the others' softmax is 0 in float32: with what is added some can still be drawn."""
    forbidden = torch.tensor([[True, False, False]])
    logits = torch.tensor([[1000.0, 0.0, 0.0]])
    assert albef.negative_weights(logits, forbidden, least=0.0).sum() == 0
    assert albef.drawn(albef.negative_weights(logits, forbidden), torch.tensor([0.7])).item() == 2


def test_pairs_are_judged_in_the_order_of_the_paper():
    pairs = albef.pairs_to_judge(torch.tensor([1, 0]), torch.tensor([1, 1]))
    assert pairs.a.tolist() == [0, 1, 1, 0, 0, 1]
    assert pairs.b.tolist() == [0, 1, 0, 1, 1, 1]
    assert pairs.labels.tolist() == [1, 1, 0, 0, 0, 0]


def test_pairs_that_are_not_judged_do_not_count():
    logits, labels = torch.tensor([[0.0, 2.0], [3.0, 0.0]]), torch.tensor([1, 1])
    alone = albef.matching_loss(logits[:1], labels[:1])
    torch.testing.assert_close(albef.matching_loss(logits, labels, torch.tensor([1.0, 0.0])), alone)


def test_readings_of_the_total_loss():
    ita, itm = torch.tensor(2.0), torch.tensor(5.0)
    assert albef.total_loss(ita, itm, 0.4, "albef").item() == pytest.approx(7.0)
    assert albef.total_loss(ita, itm, 0.4, "literal").item() == pytest.approx(0.4 * 2 + 0.6 * 5)


def places(*rows: tuple[int, int, float, float]) -> dict[str, torch.Tensor]:
    entry, clip, start, end = map(torch.tensor, zip(*rows))
    return {"entry": entry, "clip": clip, "start_s": start, "end_s": end}


def test_neighbours_in_a_recording_are_no_negatives():
    """Of a recording: 0-1 s, 1.5-2.5 s (near), 3.5-4.5 s (1 s from the second); and one of another recording."""
    batch = places((0, 0, 0.0, 1.0), (1, 0, 1.5, 2.5), (2, 0, 3.5, 4.5), (3, 1, 0.0, 1.0))
    forbidden, has_negative = forbidden_negatives(batch, 1.0)
    expected = torch.eye(4, dtype=torch.bool)
    expected[0, 1] = expected[1, 0] = True
    assert torch.equal(forbidden, expected)
    assert has_negative.all()


def test_without_others_neighbours_are_taken_and_alone_nobody_is():
    forbidden, has_negative = forbidden_negatives(places((0, 0, 0.0, 1.0), (1, 0, 1.0, 2.0)), 1.0)
    assert torch.equal(forbidden, torch.eye(2, dtype=torch.bool))
    assert has_negative.all()
    _, has_negative = forbidden_negatives(places((5, 0, 0.0, 1.0), (5, 0, 0.0, 1.0)), 1.0)
    assert not has_negative.any()
