"""Runs that share a store while their processes are killed at random: everything is made once, nothing is broken."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import toys

from gesturebench.benchmarks.attempts import Attempts
from gesturebench.benchmarks.runner import Runner
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.step import Step
from gesturebench.common.files import read_json

KILLS, PAUSE_S = 12, (0.2, 0.9)


def plan(log: Path) -> tuple[Step, ...]:
    """40 steps in chains: the longer ones hand on parts from attempt to attempt."""
    slow = [toys.step(f"slow{i}", does="slow", log=f"{log}.{i}", pause_s=0.05) for i in range(8)]
    after = [toys.step(f"after{i}", slow[i // 2], slow[(i // 2 + 3) % 8], kind="generate") for i in range(16)]
    return (*slow, *after, *(toys.step(f"score{i}", after[i], kind="evaluate") for i in range(16)))


@pytest.fixture
def start(tmp_path) -> Iterator:
    """Start a run of the plan in a process of its own."""
    code = f"""
        import sys; sys.path[:0] = {[str(Path(toys.__file__).parent)]!r}
        from pathlib import Path
        import test_chaos, toys
        from gesturebench.benchmarks.policy import Policy
        from gesturebench.benchmarks.runner import Runner
        from gesturebench.benchmarks.view import PlainView
        from rich.console import Console
        if __name__ == "__main__":
            steps = test_chaos.plan(Path({str(tmp_path / "log")!r}))
            view = PlainView(Console(quiet=True))
            Runner(Path({str(tmp_path / "runs")!r}), 1, view, toys.execute, policy=Policy(crash=99)).run(steps)
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(code))
    started: list[subprocess.Popen] = []

    def one() -> subprocess.Popen:
        started.append(subprocess.Popen([sys.executable, str(tmp_path / "script.py")]))
        return started[-1]

    yield one
    for process in started:
        process.kill()
        process.wait()


def workers_of(pid: int) -> list[int]:
    """Its children, the resource tracker aside."""
    found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(line.split()[0]) for line in found.splitlines() if "spawn_main" in line]


@pytest.mark.slow
def test_whatever_is_killed_every_step_is_made_once(tmp_path, view, start):
    dice, runs = random.Random(0), tmp_path / "runs"
    runners = [start(), start()]
    for _ in range(KILLS):
        time.sleep(dice.uniform(*PAUSE_S))
        place = dice.randrange(2)
        victim = dice.choice([runners[place].pid, *workers_of(runners[place].pid)])
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        if victim == runners[place].pid:
            runners[place].wait()
            runners[place] = start()
    for runner in runners:
        runner.kill()
        runner.wait()
    steps = plan(tmp_path / "log")
    outcome = Runner(runs, 2, view, toys.execute).run(steps)
    print(len(outcome.made), len(outcome.cached), __import__("collections").Counter(a.outcome for s in steps for a in Attempts(runs).of(s.key)))
    assert outcome.exit_code == 0
    for step in steps:
        expected = 1 + sum(1 for _ in step.inputs) * (1 if step.kind == "generate" else 3)
        assert read_json(step.folder(runs) / "value.json") == expected
        ends = [attempt.outcome for attempt in Attempts(runs).of(step.key)]
        assert ends.count("done") <= 1  # none, where the runner died between publishing and noting it
    states = RunStore(runs).states(steps).values()
    assert {state.status for state in states} == {"done"}
    assert list((runs / ".failed").glob("*")) == []
