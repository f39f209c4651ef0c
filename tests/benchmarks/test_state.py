"""What the files of a run store say about a step."""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import toys

from gesturebench.benchmarks.claims import Claims
from gesturebench.benchmarks.failure import Failure
from gesturebench.benchmarks.state import RunStore, StepState
from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json


def finish(step: Step, runs: Path, **record) -> Path:
    path = step.folder(runs) / "record.json"
    write_json(path, {"status": "done", **record})
    return path


def fail(step: Step, runs: Path, kind: str = "error", message: str = "no") -> None:
    write_json(RunStore(runs).failure_file(step.key), {"failure": asdict(Failure(kind, "E", message))})


def test_every_state_that_files_can_tell(tmp_path):
    done, failed, held, new = (toys.step(name) for name in ("done", "failed", "held", "new"))
    finish(done, tmp_path)
    fail(done, tmp_path)  # of an earlier run
    fail(failed, tmp_path)
    claims = Claims(tmp_path)
    claims.take(held.key)
    after = toys.step("after", done, failed, kind="generate")
    last = toys.step("last", after, kind="evaluate")
    waiting = toys.step("waiting", held, kind="generate")
    states = RunStore(tmp_path).states([last, waiting, new, done, failed, held, after])
    assert {key: state.status for key, state in states.items()} == {
        done.key: "done", failed.key: "failed", held.key: "running", new.key: "missing",
        after.key: "blocked", last.key: "blocked", waiting.key: "missing",
    }  # fmt: skip
    assert states[last.key].detail == "waits for fit failed (failed)"
    assert states[failed.key].detail == "E: no"
    assert states[held.key].detail.startswith(f"process {os.getpid()} on ")
    claims.close()
    assert RunStore(tmp_path).status(held) == "missing"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("input", "failed"),
        ("crash", "failed"),
        ("lost", "failed"),
        ("timeout", "timed out"),
        ("preempted", "preempted"),
        ("memory", "out of memory"),
        ("node", "node failure"),
        ("cancelled", "cancelled"),
    ],
)
def test_what_has_ended_for_good_is_named_by_its_failure(tmp_path, kind, status):
    step, after = toys.step("a"), toys.step("b", toys.step("a"))
    fail(step, tmp_path, kind)
    states = RunStore(tmp_path).states([after, step])
    assert states[step.key].status == status
    assert states[after.key].detail == f"waits for fit a ({status})"


def test_what_is_there_is_not_blocked_by_what_it_was_made_from(tmp_path):
    step = toys.step("a")
    after = toys.step("b", step)
    finish(after, tmp_path)
    fail(step, tmp_path)
    assert RunStore(tmp_path).status(after) == "done"


def test_a_step_that_is_being_tried_again_blocks_nothing(tmp_path):
    step = toys.step("a")
    fail(step, tmp_path)
    claims = Claims(tmp_path)
    claims.take(step.key)
    assert RunStore(tmp_path).status(toys.step("b", step)) == "missing"
    claims.close()


def test_reading_writes_nothing_and_works_on_a_copy(tmp_path):
    steps = [toys.step(name) for name in "abc"]
    runs = tmp_path / "runs"
    finish(steps[0], runs)
    fail(steps[1], runs)
    claims = Claims(runs)
    claims.take(steps[2].key)
    shutil.copytree(runs, tmp_path / "copy")
    before = {path: path.stat().st_mtime_ns for path in [tmp_path, *tmp_path.rglob("*")] if ".claims" not in str(path)}
    copied, own = (RunStore(tmp_path / name).states(steps) for name in ("copy", "runs"))
    assert copied == own
    after = {path: path.stat().st_mtime_ns for path in [tmp_path, *tmp_path.rglob("*")] if ".claims" not in str(path)}
    assert before == after
    assert len(list((runs / ".claims").iterdir())) == 1
    claims.close()


def test_an_empty_or_absent_store_knows_nothing(tmp_path):
    step = toys.step("a")
    assert RunStore(tmp_path / "nowhere").states([step]) == {step.key: StepState("missing")}
    assert not (tmp_path / "nowhere").exists()


def test_long_chains_and_shared_inputs_are_no_burden(tmp_path):
    step = first = toys.step("0")
    for number in range(1, 3000):
        step = toys.step(str(number), step, first)
        assert step.key
    fail(first, tmp_path)
    assert RunStore(tmp_path).states([step])[step.key].detail == "waits for fit 0 (failed)"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "not valid JSON"),
        ('{"status": "do', "not valid JSON"),
        ("[]", "not a whole run record; expected an object"),
        ('{"status": "done"}', "expected an object with metrics"),
    ],
)
def test_a_record_that_is_broken_says_what_to_do(tmp_path, text, what):
    step = toys.step("score", kind="evaluate")
    path = finish(step, tmp_path)
    path.write_text(text)
    with pytest.raises(InputError, match=what) as caught:
        RunStore(tmp_path).record(step)
    assert str(path) in str(caught.value)
    assert f"delete {path.parent} and run again" in str(caught.value)


def test_a_record_that_is_absent_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"record\.json: no such file; delete .* and run again"):
        RunStore(tmp_path).record(toys.step("a"))


def test_a_folder_without_a_record_is_half_of_a_copy(tmp_path):
    half, whole, store = toys.step("half"), toys.step("whole"), RunStore(tmp_path)
    finish(whole, tmp_path)
    half.folder(tmp_path).mkdir()
    half.folder(tmp_path).joinpath("weights.pt").write_text("")
    assert [store.status(step) for step in (half, whole)] == ["missing", "done"]
    assert store.finished([half, whole]) == [whole]
    assert store.records([half, whole]).keys() == {whole.key}


def test_a_failure_report_that_is_broken_is_still_a_failure(tmp_path):
    step = toys.step("a")
    fail(step, tmp_path)
    for text in ("{", json.dumps({"failure": {"kind": "error"}}), "{}"):
        RunStore(tmp_path).failure_file(step.key).write_text(text)
        state = RunStore(tmp_path).states([step])[step.key]
        assert state.status == "failed"
        assert "delete the file" in state.detail
