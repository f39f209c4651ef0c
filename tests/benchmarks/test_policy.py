"""What is tried again, how often and with which batch."""

from typing import get_args

import pytest
from toys import attempt

from gesturebench.benchmarks.failure import FailureKind, failure_of
from gesturebench.benchmarks.policy import Policy, decide, next_batch_divisor
from gesturebench.common.errors import InputError

TRIES = {"preempted": 20, "node": 3, "lost": 3, "crash": 1, "memory": 1}


@pytest.mark.parametrize(("kind", "tries"), TRIES.items())
def test_each_kind_has_its_tries(kind, tries):
    history = [attempt(outcome=kind) for _ in range(tries)]
    assert decide(kind, history, Policy()).retry
    assert not decide(kind, [*history, attempt(outcome=kind)], Policy()).retry


@pytest.mark.parametrize("kind", ["input", "error", "cancelled"])
def test_what_would_fail_again_is_not_tried_again(kind):
    assert not decide(kind, [attempt(outcome=kind)], Policy()).retry


def test_every_kind_is_decided():
    for kind in get_args(FailureKind):
        assert decide(kind, [attempt(outcome=kind)], Policy()).reason.startswith(kind)


def test_other_failures_do_not_use_up_the_tries():
    history = [attempt(outcome="preempted")] * 5 + [attempt(outcome="crash")]
    assert decide("crash", history, Policy()).retry


def test_a_time_limit_is_forgiven_while_the_step_gets_further():
    on = [attempt(outcome="timeout", progress=(n, 100)) for n in (10, 30)]
    assert decide("timeout", on, Policy()).retry
    stuck = decide("timeout", [*on, attempt(outcome="timeout", progress=(30, 100))], Policy())
    assert not stuck.retry
    assert "no progress" in stuck.reason
    assert decide("timeout", [attempt(outcome="timeout")], Policy()).retry
    assert not decide("timeout", [attempt(outcome="timeout")] * 2, Policy()).retry


def test_a_time_limit_has_a_cap_all_the_same():
    history = [attempt(outcome="timeout", progress=(n, 100)) for n in range(21)]
    assert decide("timeout", history[:20], Policy()).retry
    assert not decide("timeout", history, Policy()).retry


def test_memory_halves_the_batch_and_the_half_is_kept():
    short = attempt(outcome="memory")
    halved = attempt(outcome="preempted", batch_divisor=2)
    assert next_batch_divisor([short]) == next_batch_divisor([short, halved]) == 2
    assert next_batch_divisor([short, attempt(outcome="memory", batch_divisor=2, final=True)]) == 1
    again = [short, attempt(outcome="memory", batch_divisor=2)]
    assert decide("memory", again, Policy(memory=2)).retry
    assert next_batch_divisor(again) == 4


def test_who_runs_a_failed_step_again_grants_all_tries_anew():
    history = [attempt(outcome="crash"), attempt(outcome="crash", final=True), attempt(outcome="crash")]
    assert decide("crash", history, Policy()).retry


def test_a_policy_is_checked():
    assert Policy.parse({"crash": 0}).tries("crash") == 0
    with pytest.raises(InputError, match="did you mean 'crash'"):
        Policy.parse({"crahs": 1}, "policy")
    with pytest.raises(InputError, match=r"policy\.node = -1; expected greater than or equal to 0"):
        Policy.parse({"node": -1}, "policy")


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried 1 TB"),
        RuntimeError("CUDA error: out of memory"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_every_way_to_say_that_memory_was_short(error):
    assert failure_of(error).kind == "memory"
    wrapped = ValueError("clip 3")
    wrapped.__cause__ = error
    assert failure_of(wrapped).kind == "memory"


def test_real_allocations_that_cannot_succeed():
    import numpy as np
    import torch

    for allocate in (lambda: np.empty(2**50), lambda: torch.empty(2**50)):
        with pytest.raises((MemoryError, RuntimeError)) as caught:
            allocate()
        assert failure_of(caught.value).kind == "memory"


def test_other_errors_are_no_lack_of_memory():
    assert failure_of(ValueError("no memory of this clip")).kind == "error"
    assert failure_of(InputError("a.npz: broken")).kind == "input"
