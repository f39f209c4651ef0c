"""The kernel's own count of those it killed for memory."""

import contextlib
import os
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import toys

from gesturebench.benchmarks import oom
from gesturebench.benchmarks.attempts import Attempts
from gesturebench.benchmarks.oom import count_in, kernel_kills
from gesturebench.benchmarks.state import RunStore

LIMIT = 150 * 2**20


def test_both_versions_of_control_groups_and_the_machine_are_understood():
    assert count_in("low 0\nhigh 0\nmax 5\noom 2\noom_kill 1\noom_group_kill 0\n") == 1
    assert count_in("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n") == 4
    assert count_in("pgfault 12\noom_kill 0\n") == 0
    assert count_in("oom_kill_disable 0\n") is None


def test_the_first_counter_that_exists_is_read(tmp_path, monkeypatch):
    (tmp_path / "b").write_text("no count\n")
    (tmp_path / "c").write_text("oom_kill 2\n")
    monkeypatch.setattr(oom, "_counters", lambda: iter([tmp_path / name for name in "abc"]))
    assert kernel_kills() == 2
    monkeypatch.setattr(oom, "_counters", lambda: iter([tmp_path / "a"]))
    assert kernel_kills() is None


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with little memory, where this user may make one."""
    parents = [path.parent for path in oom._counters() if path.exists() and path.name.startswith("memory.")]
    if not parents or not os.access(parents[0], os.W_OK):
        pytest.skip("no control group can be made here")
    folder = parents[0] / f"gesturebench-test-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir()
        limit = next(folder / name for name in ("memory.max", "memory.limit_in_bytes") if (folder / name).exists())
        limit.write_text(str(LIMIT))
    except (OSError, StopIteration):
        if folder.exists():
            folder.rmdir()
        pytest.skip("no limit can be set here")
    yield folder
    end = time.monotonic() + 20
    while (folder / "cgroup.procs").read_text() and time.monotonic() < end:  # the last helper process is leaving
        time.sleep(0.05)
    with contextlib.suppress(OSError):
        folder.rmdir()


def test_a_worker_that_the_kernel_kills_has_ended_for_want_of_memory(tmp_path, group):
    script = tmp_path / "script.py"
    code = f"""
        import os, sys; sys.path.insert(0, {str(Path(toys.__file__).parent)!r})
        from pathlib import Path
        Path({str(group / "cgroup.procs")!r}).write_text(str(os.getpid()))
        import toys
        from gesturebench.benchmarks.runner import Runner
        from gesturebench.benchmarks.view import PlainView
        from rich.console import Console
        if __name__ == "__main__":
            step = toys.step("greedy", does="devour")
            Runner(Path({str(tmp_path)!r}), 1, PlainView(Console(quiet=True)), toys.execute).run((step,))
    """
    script.write_text(textwrap.dedent(code))
    subprocess.run([sys.executable, str(script)], check=True, timeout=120)
    step = toys.step("greedy", does="devour")
    assert [attempt.outcome for attempt in Attempts(tmp_path).of(step.key)] == ["memory", "memory"]
    assert RunStore(tmp_path).status(step) == "out of memory"
