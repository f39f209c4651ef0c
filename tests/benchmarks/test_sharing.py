"""Runs that meet in one store, and what they tell each other and the world."""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import toys

from gesturebench.benchmarks import runner as runner_module
from gesturebench.benchmarks.attempts import Attempts
from gesturebench.benchmarks.claims import Claims
from gesturebench.benchmarks.owner import Owner
from gesturebench.benchmarks.runner import Runner
from gesturebench.benchmarks.state import RunStore
from gesturebench.common.files import read_json


def value(step, runs: Path) -> int:
    return read_json(step.folder(runs) / "value.json")


def test_the_first_result_stays_and_the_second_attempt_says_so(tmp_path, view):
    step = toys.step("twice", does="beaten")
    after = toys.step("after", step)
    outcome = Runner(tmp_path, 1, view, toys.execute).run((step, after))
    assert (outcome.cached, outcome.made) == ([step.key], [after.key])
    assert (value(step, tmp_path), value(after, tmp_path)) == (100, 101)
    (attempt,) = Attempts(tmp_path).of(step.key)
    assert attempt.outcome == "cancelled"
    assert "another run had finished the step first" in attempt.message


def test_a_failure_after_another_run_finished_the_step_is_none(tmp_path, view):
    step = toys.step("twice", does="beaten", fails=True)
    outcome = Runner(tmp_path, 1, view, toys.execute).run((step,))
    assert (outcome.cached, outcome.failed, outcome.exit_code) == ([step.key], {}, 0)
    assert RunStore(tmp_path).failure(step) is None


def test_half_of_a_copy_is_made_anew(tmp_path, view):
    step = toys.step("a")
    step.folder(tmp_path).mkdir(parents=True)
    (step.folder(tmp_path) / "value.json").write_text("7")
    assert Runner(tmp_path, 1, view, toys.execute).run((step,)).made == [step.key]
    assert value(step, tmp_path) == 1
    assert RunStore(tmp_path).record(step)["status"] == "done"


def test_whoever_lost_its_claim_leaves_the_step_to_the_other(tmp_path, view, monkeypatch):
    """Another host took our silence for death; when it dies itself, the step is ours again."""
    monkeypatch.setattr(runner_module, "BEAT_S", 0.0)
    monkeypatch.setattr(runner_module, "_ELSEWHERE_S", 0.1)
    log, other = tmp_path / "log", Claims(tmp_path)
    step = toys.step("slow", does="slow", log=str(log), pause_s=0.3)
    taken = other.path(step.key, 2)

    def hook() -> bool:
        if log.exists() and not taken.exists():
            taken.write_text(json.dumps(asdict(replace(Owner.this(), host="elsewhere/1/1"))))
        elif taken.exists() and len(Attempts(tmp_path).of(step.key)) == 1 and step.key not in runner.running:
            os.utime(taken, (0, 0))
        return False

    runner = Runner(tmp_path, 1, view, toys.execute, stop=hook)
    assert runner.run((step,)).made == [step.key]
    attempts = Attempts(tmp_path).of(step.key)
    assert [attempt.outcome for attempt in attempts] == ["cancelled", "done"]
    assert "taken over" in attempts[0].message


def test_nothing_but_the_history_stays_of_a_finished_step(tmp_path, view):
    step = toys.step("a")
    Runner(tmp_path, 1, view, toys.execute).run((step,))
    (attempt,) = Attempts(tmp_path).of(step.key)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    artifact = {f"fit/{step.key}/{name}" for name in ("record.json", "value.json")}
    assert files == artifact | {f".attempts/{step.key}/{attempt.nonce}.json"}


def test_what_a_step_prints_in_any_way_lies_beside_its_attempt(tmp_path, view):
    step, quiet = toys.step("talk", does="talk"), toys.step("quiet")
    bad = toys.step("bad", does="fail")
    Runner(tmp_path, 1, view, toys.execute).run((step, quiet, bad))
    attempts = Attempts(tmp_path)
    logs = {s.label: attempts.log(attempts.of(s.key)[0]) for s in (step, quiet, bad)}
    assert logs["talk"].read_text() == "from python\nfrom c\nfrom a child\n"
    assert not logs["quiet"].exists()
    assert logs["bad"].read_text().endswith("ValueError: the toy broke\n")


class Notes:
    """A tracker that remembers, and fails when it is told to."""

    def __init__(self, fails: bool = False):
        self.steps, self.results, self.closed, self.fails = [], [], 0, fails

    def on_step(self, step, state, seconds) -> None:
        self.steps.append((step.label, state.status))
        if self.fails:
            raise OSError("no network")

    def on_result(self, step, record) -> None:
        self.results.append((step.label, record["metrics"]))

    def close(self) -> None:
        self.closed += 1


def test_a_tracker_hears_of_every_step_and_result(tmp_path, view):
    notes, bad = Notes(), toys.step("bad", does="fail")
    fit, made = toys.step("fit"), toys.step("made", kind="generate")
    score, lost = toys.step("score", made, kind="evaluate"), toys.step("lost", bad)
    Runner(tmp_path, 1, view, toys.execute, tracker=notes).run((bad, lost, fit, made, score))
    assert sorted(notes.steps) == [
        ("bad", "failed"), ("fit", "done"), ("lost", "blocked"), ("made", "done"), ("score", "done"),
    ]  # fmt: skip
    assert sorted(notes.results) == [("fit", {"value": 1}), ("score", {"value": 2})]
    assert notes.closed == 1


def test_a_tracker_that_fails_is_switched_off_and_named_once(tmp_path, view, monkeypatch):
    said, notes = [], Notes(fails=True)
    monkeypatch.setattr(view, "note", said.append)
    outcome = Runner(tmp_path, 1, view, toys.execute, tracker=notes).run((toys.step("a"), toys.step("b")))
    assert len(outcome.made) == 2
    assert said == ["Notes is off: OSError: no network; the run goes on"]
    assert len(notes.steps) == 1
