"""The runner on toy steps in real processes: order, failure, death, resumption, nothing half-made."""

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import toys

from gesturebench.benchmarks import runner as runner_module
from gesturebench.benchmarks.attempts import Attempts
from gesturebench.benchmarks.claims import Claims
from gesturebench.benchmarks.failure import Failure
from gesturebench.benchmarks.outcome import Outcome
from gesturebench.benchmarks.policy import Policy
from gesturebench.benchmarks.runner import Runner, check_writable, missing_steps
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.step import unique, urgency
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json


def run(steps, runs: Path, view, workers: int = 2):
    return Runner(runs, workers, view, toys.execute).run(unique(s for step in steps for s in step.with_inputs()))


def outcomes(step, runs: Path) -> list[str | None]:
    """How the attempts at a step ended, in order of time."""
    return [attempt.outcome for attempt in Attempts(runs).of(step.key)]


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


def test_a_process_that_dies_is_given_a_second_try(tmp_path, view):
    flaky, after = toys.step("flaky", does="die once"), toys.step("after", toys.step("flaky", does="die once"))
    outcome = run([after], tmp_path, view)
    assert outcome.made == [flaky.key, after.key]
    assert outcomes(flaky, tmp_path) == ["crash", "done"]
    assert RunStore(tmp_path).failure(flaky) is None


def test_a_second_death_is_final_and_says_what_was_printed_last(tmp_path, view):
    dead = toys.step("dead", does="die")
    outcome = run([dead], tmp_path, view)
    assert outcomes(dead, tmp_path) == ["crash", "crash"]
    assert [attempt.final for attempt in Attempts(tmp_path).of(dead.key)] == [False, True]
    assert "about to die" in outcome.failed[dead.key].traceback
    report = read_json(RunStore(tmp_path).failure_file(dead.key))
    assert [attempt["outcome"] for attempt in report["attempts"]] == ["crash", "crash"]
    run([dead], tmp_path, view)
    assert outcomes(dead, tmp_path) == ["crash"] * 4  # by hand it has all its tries again


def test_an_error_is_not_tried_again(tmp_path, view):
    bad = toys.step("bad", does="fail")
    run([bad], tmp_path, view)
    assert outcomes(bad, tmp_path) == ["error"]


def test_a_lack_of_memory_is_answered_with_half_the_batch_from_the_start(tmp_path, view):
    hungry = toys.step("hungry", does="hunger")
    outcome = run([hungry], tmp_path, view)
    assert outcome.made == [hungry.key]
    attempts = Attempts(tmp_path).of(hungry.key)
    assert [(a.outcome, a.batch_divisor) for a in attempts] == [("memory", 1), ("done", 2)]
    logs = [Attempts(tmp_path).log(attempt).read_text() for attempt in attempts]
    assert "MemoryError: 8 GiB" in logs[0]
    assert logs[1] == "[]\n"  # what the whole batch left is not gone on from


def test_samples_do_not_depend_on_the_batch_and_go_on(tmp_path, view):
    hungry = toys.step("hungry", does="hunger", kind="generate")
    run([hungry], tmp_path, view)
    last = Attempts(tmp_path).of(hungry.key)[-1]
    assert Attempts(tmp_path).log(last).read_text() == "['by 1']\n"


def test_memory_that_never_suffices_is_said_so(tmp_path, view):
    hungry = toys.step("hungry", does="hunger", always=True)
    outcome = run([hungry], tmp_path, view)
    assert outcome.failed[hungry.key].kind == "memory"
    assert RunStore(tmp_path).status(hungry) == "out of memory"
    assert len(outcomes(hungry, tmp_path)) == 2


def test_a_death_while_the_kernel_killed_for_memory_is_a_lack_of_memory(tmp_path, view, monkeypatch):
    counts = iter([7, 8, 8, 9])
    monkeypatch.setattr(runner_module, "kernel_kills", lambda: next(counts))
    dead = toys.step("dead", does="die")
    outcome = run([dead], tmp_path, view)
    assert outcomes(dead, tmp_path) == ["memory", "memory"]
    assert "want of memory" in outcome.failed[dead.key].message


def test_the_policy_decides(tmp_path, view):
    dead, policy = toys.step("dead", does="die"), Policy(crash=0)
    Runner(tmp_path, 1, view, toys.execute, policy=policy).run((dead,))
    assert outcomes(dead, tmp_path) == ["crash"]


def test_a_failed_step_is_tried_again_by_the_next_run(tmp_path, view):
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
    assert outcomes(slow, runs) == ["lost", "done"]


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


def test_the_last_line_counts_and_says_where_to_look():
    failure = Failure("error", "ValueError", "no")
    assert Outcome(failed={"a": failure}, blocked=["b", "c"]).closing_line("'a[x=1; y=2]'") == (
        "error: 1 step failed; 2 steps not run for that: see `gesturebench status 'a[x=1; y=2]'`"
    )
    assert Outcome(interrupted=["a"]).closing_line("demo") == (
        "stopped: 1 step interrupted, the same command continues"
    )
