"""The order of work, on random plans."""

import toys
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.benchmarks.schedule import Schedule
from gesturebench.benchmarks.step import Step, unique, urgency


@st.composite
def plans(draw) -> tuple[Step, ...]:
    """Steps in an order in which each follows what it needs."""
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 12))):
        needs = draw(st.lists(st.sampled_from(steps), max_size=3, unique=True)) if steps else []
        steps.append(toys.step(f"s{number}", *needs))
    return tuple(steps)


def keys(step: Step) -> set[str]:
    return {needed.key for needed in step.inputs.values()}


@given(plans(), st.randoms())
def test_every_step_comes_once_after_what_it_needs(steps, random):
    schedule, handed, ended = Schedule(steps, urgency(steps)), [], set()
    at_work: list[Step] = []
    while schedule.pending or at_work:
        if (step := schedule.next()) is not None and random.random() < 0.8:
            assert keys(step) <= ended
            handed.append(step.key)
            at_work.append(step)
        elif step is not None:
            schedule.again(step)
        if at_work and random.random() < 0.6:
            done = at_work.pop(random.randrange(len(at_work)))
            ended.add(done.key)
            schedule.finished(done.key)
    assert sorted(handed) == sorted(step.key for step in steps)
    assert schedule.next() is None


@given(plans(), st.data())
def test_a_failure_takes_out_exactly_what_needs_it(steps, data):
    bad = data.draw(st.sampled_from(steps))
    schedule = Schedule(steps, urgency(steps))
    made = set()
    while (step := schedule.next()) is not None:
        if step.key == bad.key:
            break
        made.add(step.key)
        schedule.finished(step.key)
    blocked = [step.key for step in schedule.failed(bad.key)]
    expected = [s.key for s in steps if s.key != bad.key and bad.key in {n.key for n in s.with_inputs()}]
    assert blocked == expected
    while (step := schedule.next()) is not None:
        made.add(step.key)
        schedule.finished(step.key)
    assert made == {step.key for step in steps} - {bad.key, *blocked}


def test_of_those_that_are_ready_the_longest_chain_goes_first():
    first, short = toys.step("first"), toys.step("short", kind="evaluate")
    chain = toys.step("second", first)
    steps = unique([short, *chain.with_inputs()])
    schedule = Schedule(steps, urgency(steps))
    assert [schedule.next(), schedule.next(), schedule.next()] == [first, short, None]


def test_inputs_that_are_there_already_are_not_waited_for():
    there = toys.step("there")
    step = toys.step("step", there)
    assert Schedule((step,), urgency((there, step))).next() is step
