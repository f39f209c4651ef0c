"""Attempts leave a trace from their first moment on."""

import json

from toys import attempt, step

from gesturebench.benchmarks.attempts import Attempts, recent

STEP = step("a")


def test_an_attempt_is_there_when_it_begins_and_says_how_it_ended(tmp_path, monkeypatch):
    for name, value in {"SLURM_JOB_ID": "15", "SLURMD_NODENAME": "n2", "SLURM_RESTART_COUNT": "1"}.items():
        monkeypatch.setenv(name, value)
    attempts = Attempts(tmp_path)
    begun = attempts.begin(STEP, batch_divisor=2)
    assert attempts.of(STEP.key) == [begun]
    assert (begun.job, begun.node, begun.life, begun.batch_divisor, begun.outcome) == ("15", "n2", 1, 2, None)
    noted = attempts.note(begun, (3, 10))
    assert attempts.of(STEP.key) == [noted]
    ended = attempts.end(noted, "timeout", "stopped")
    assert attempts.of(STEP.key) == [ended]
    assert (ended.outcome, ended.progress, ended.message) == ("timeout", (3, 10), "stopped")
    assert ended.ended >= ended.started


def test_they_come_in_order_of_time_and_a_broken_file_is_left_out(tmp_path):
    attempts = Attempts(tmp_path)
    made = [attempts.begin(STEP) for _ in range(5)]
    assert attempts.of(STEP.key) == sorted(made, key=lambda attempt: attempt.started)
    attempts.path(made[2]).write_text("{")
    (attempts.folder(STEP.key) / "other.json").write_text("[1]")
    assert len(attempts.of(STEP.key)) == 4
    assert attempts.of("unknown") == []


def test_files_of_later_versions_can_be_read(tmp_path):
    attempts = Attempts(tmp_path)
    begun = attempts.begin(STEP)
    path = attempts.path(begun)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mood": "good"}))
    assert attempts.of(STEP.key) == [begun]


def test_only_what_came_after_the_last_final_failure_is_recent():
    old, end, new = attempt(outcome="crash"), attempt(outcome="crash", final=True), attempt()
    assert recent([old, end, new]) == [new]
    assert recent([old, end]) == []
    assert recent([old, new]) == [old, new]
