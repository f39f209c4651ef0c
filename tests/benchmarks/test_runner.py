"""The runner on toy steps in real processes: order, failure, death, resumption, nothing half-made."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import toys

from gesturebench.benchmarks.claims import Claims
from gesturebench.benchmarks.failure import Failure
from gesturebench.benchmarks.runner import Runner, check_writable, missing_steps
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.step import unique, urgency
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json


def run(steps, runs: Path, view, workers: int = 2):
    return Runner(runs, workers, view, toys.execute).run(unique(s for step in steps for s in step.with_inputs()))


def value(step, runs: Path) -> int:
    return read_json(step.folder(runs) / "value.json")


def test_runs_in_order_and_only_once(tmp_path, view):
    a, b = toys.step("a"), toys.step("b")
    c = toys.step("c", a, b)
    outcome = run([c], tmp_path, view)
    assert value(c, tmp_path) == 3
    assert len(outcome.made) == 3
    assert outcome.exit_code == 0
    assert run([c], tmp_path, view).made == []


def test_a_failure_takes_only_its_dependants_along(tmp_path, view):
    bad = toys.step("bad", does="fail")
    blocked = toys.step("after", toys.step("between", bad))
    good = toys.step("good")
    outcome = run([blocked, good], tmp_path, view)
    assert outcome.exit_code == 1
    assert list(outcome.failed) == [bad.key]
    assert set(outcome.blocked) == {blocked.key, blocked.inputs["between"].key}
    assert value(good, tmp_path) == 1
    failure = RunStore(tmp_path).failure(bad)
    assert (failure.kind, str(failure)) == ("error", "ValueError: the toy broke")
    assert "toys.py" in failure.traceback


def test_a_fault_of_the_input_ends_with_exit_code_2(tmp_path, view):
    outcome = run([toys.step("bad", does="refuse")], tmp_path, view)
    assert outcome.exit_code == 2
    assert str(next(iter(outcome.failed.values()))) == "a.npz: no frames; re-export it"


def test_a_killed_worker_fails_its_step_alone_and_leaves_nothing_that_looks_whole(tmp_path, view):
    dead, good = toys.step("dead", does="die"), [toys.step(f"good{i}") for i in range(4)]
    outcome = run([dead, *good], tmp_path, view)
    assert outcome.failed[dead.key].kind == "crash"
    assert "signal 9" in outcome.failed[dead.key].message
    assert [value(g, tmp_path) for g in good] == [1, 1, 1, 1]
    assert not dead.folder(tmp_path).exists()
    assert RunStore(tmp_path).status(dead) == "failed"


def test_a_failed_step_is_tried_again(tmp_path, view):
    bad = toys.step("bad", does="fail")
    run([bad], tmp_path, view)
    assert run([bad], tmp_path, view).failed.keys() == {bad.key}
    assert missing_steps((bad,), RunStore(tmp_path)) == (bad,)


def _background(runs: Path, log: Path) -> subprocess.Popen:
    code = f"""
        import sys; sys.path.insert(0, {str(Path(toys.__file__).parent)!r})
        from pathlib import Path
        import toys
        from gesturebench.benchmarks.runner import Runner
        from gesturebench.benchmarks.view import PlainView
        from rich.console import Console
        if __name__ == "__main__":
            step = toys.step("slow", does="slow", log={str(log)!r}, pause_s=0.3)
            Runner(Path({str(runs)!r}), 1, PlainView(Console(quiet=True)), toys.execute).run((step,))
    """
    script = log.with_name("background.py")
    script.write_text(textwrap.dedent(code))
    return subprocess.Popen([sys.executable, str(script)])


def _wait_for(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_after_sigkill_of_the_runner_the_next_run_continues(tmp_path, view):
    runs, log = tmp_path / "runs", tmp_path / "log"
    slow = toys.step("slow", does="slow", log=str(log), pause_s=0.3)
    process = _background(runs, log)
    _wait_for(lambda: log.exists() and len(log.read_text().split()) >= 3)
    owner = Claims(runs).holder(slow.key)
    process.kill()
    process.wait()
    assert not slow.folder(runs).exists()
    outcome = run([slow], runs, view)
    assert outcome.made == [slow.key]
    assert not owner.worker.is_alive()
    made = log.read_text().split()
    assert sorted(set(made)) == ["0", "1", "2", "3", "4"]
    assert len(made) <= toys.PARTS + 1  # only the part in the making was made twice


def test_two_runners_share_the_work(tmp_path, view):
    """The second waits for the first's claim and takes its result."""
    runs, log = tmp_path / "runs", tmp_path / "log"
    slow = toys.step("slow", does="slow", log=str(log), pause_s=0.3)
    process = _background(runs, log)
    _wait_for(lambda: Claims(runs).holder(slow.key) is not None)
    assert RunStore(runs).status(slow) == "running"
    outcome = run([slow], runs, view)
    assert outcome.made == []
    assert outcome.cached == [slow.key]
    assert process.wait() == 0
    assert log.read_text().split() == ["0", "1", "2", "3", "4"]


def test_no_process_outlives_the_runner(tmp_path, view):
    runner = Runner(tmp_path, 2, view, toys.execute)
    steps = tuple(toys.step(f"s{i}") for i in range(3))
    runner.run(steps)
    assert runner.pool.workers == []


def test_dead_claims_are_taken_over_and_unreadable_ones_too(tmp_path):
    claims = Claims(tmp_path)
    assert claims.take("k") is None
    path = claims.path("k")
    values = json.loads(path.read_text())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for process in ("runner", "worker"):
        values[process] = {"pid": gone.pid, "started": 1}
    path.write_text(json.dumps(values))
    assert claims.holder("k") is None
    assert claims.take("k") is None
    path.write_text('{"host": ')
    assert claims.take("k") is None


def test_a_claim_of_a_reused_process_number_is_dead(tmp_path):
    claims = Claims(tmp_path)
    claims.take("k")
    path = claims.path("k")
    values = json.loads(path.read_text())
    values["runner"]["started"] -= 1
    values["worker"]["started"] -= 1
    path.write_text(json.dumps(values))
    assert claims.holder("k") is None


def test_a_claim_of_another_host_is_respected(tmp_path):
    claims = Claims(tmp_path)
    claims.take("k")
    path = claims.path("k")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "elsewhere"}))
    values = json.loads(path.read_text())
    values["runner"]["pid"] = 999_999_999
    path.write_text(json.dumps(values))
    assert claims.take("k").host == "elsewhere"


def test_a_zombie_is_not_alive():
    """A killed worker whose parent is gone may stay a zombie for ever in a container without an init."""
    from gesturebench.benchmarks.claims import Process

    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    process = Process.of(child.pid)
    assert process.is_alive()
    os.kill(child.pid, signal.SIGKILL)
    _wait_for(lambda: not process.is_alive())
    child.wait()


def test_unwritable_runs_folder_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        check_writable(tmp_path / "file")
    with pytest.raises(InputError, match="choose another --runs"):
        check_writable(tmp_path / "file" / "below")


def test_the_longest_chain_goes_first():
    codec = toys.step("codec")
    denoiser = toys.step("denoiser", codec)
    motion = toys.step("motion", denoiser, kind="generate")
    encoder = toys.step("encoder")
    score = toys.step("score", motion, encoder, kind="evaluate")
    order = urgency(unique(score.with_inputs()))
    assert order[codec.key] > order[denoiser.key] > order[encoder.key] > order[score.key]
    assert order[motion.key] > order[score.key]


def test_a_terminated_worker_clears_up_and_the_signal_is_named(tmp_path, view):
    outcome = run((toys.step("a", does="terminate"),), tmp_path, view)
    (failure,) = outcome.failed.values()
    assert "signal 15" in failure.message
    assert list(tmp_path.rglob("*.part")) == []


def test_a_message_of_many_lines_is_shown_as_one():
    assert str(Failure("error", "ValueError", "first\n  second")) == "ValueError: first second"
