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

KILLS = 10


def plan(log: Path) -> tuple[Step, ...]:
    """40 steps in chains; each hands on its parts from attempt to attempt."""

    def step(name: str, kind: str, *needs: Step) -> Step:
        return toys.step(name, *needs, kind=kind, does="slow", log=f"{log}.{name}", pause_s=0.03)

    fits = [step(f"fit{i}", "fit") for i in range(8)]
    made = [step(f"made{i}", "generate", fits[i // 2], fits[(i // 2 + 3) % 8]) for i in range(16)]
    return (*fits, *made, *(step(f"score{i}", "evaluate", made[i]) for i in range(16)))


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
    """Its children, the resource tracker aside; none where there is no /proc."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = status.read_text().rpartition(")")[2].split()[1]
            if int(parent) == pid and b"spawn_main" in (status.parent / "cmdline").read_bytes():
                found.append(int(status.parent.name))
    return found


def tried(runs: Path) -> int:
    return len(list((runs / ".attempts").glob("*/*.json")))


def wait_for_attempts(runs: Path, count: int) -> None:
    end = time.monotonic() + 60
    while tried(runs) < count and time.monotonic() < end and len(list(runs.glob("evaluate/*"))) < 16:
        time.sleep(0.02)


@pytest.mark.slow
def test_whatever_is_killed_every_step_is_made_once(tmp_path, view, start):
    dice, runs = random.Random(0), tmp_path / "runs"
    runners = [start(), start()]
    for _ in range(KILLS):
        wait_for_attempts(runs, tried(runs) + dice.randint(1, 5))
        time.sleep(dice.uniform(0, 0.1))
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
    assert outcome.exit_code == 0
    assert outcome.cached  # by those that were killed
    assert tried(runs) > len(steps)
    for step in steps:
        expected = 1 + sum(1 for _ in step.inputs) * (1 if step.kind == "generate" else 3)
        assert read_json(step.folder(runs) / "value.json") == expected
        ends = [attempt.outcome for attempt in Attempts(runs).of(step.key)]
        assert ends.count("done") <= 1  # none, where the runner died between publishing and noting it
    states = RunStore(runs).states(steps).values()
    assert {state.status for state in states} == {"done"}
    assert list((runs / ".failed").glob("*")) == []
