"""Trackers hear of everything, harm nothing, and what they write can be read back."""

import struct
import sys

import pytest
from toys import execute, step

from gesturebench.benchmarks.runner import Runner
from gesturebench.benchmarks.state import StepState
from gesturebench.benchmarks.step import Step
from gesturebench.benchmarks.tracking import Several, guarded, make_tracker
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from tests.benchmarks.evaluations import evaluation

FIT = Step("fit", "vae_upper", {"fit": "x:y"})
CURVE = [{"step": 10, "loss": 0.5, "kl": 0.125}, {"step": 20, "loss": 0.25, "kl": 0.0625}]
SCORE = evaluation("fgd", seed=3, label="RAG, λ = 0.5")


class Listening:
    """Remembers; raises at its n-th call if told to."""

    def __init__(self, breaks_at: int = 0):
        self.heard, self.breaks_at = [], breaks_at

    def on_step(self, step, state, seconds):
        self._hear("step", step.label, state.status)

    def on_result(self, step, record):
        self._hear("result", step.label, record)

    def close(self):
        self._hear("close")

    def _hear(self, *words):
        self.heard.append(words)
        if len(self.heard) == self.breaks_at:
            raise ConnectionError("no\nroute")


def tell_all(tracker, runs):
    """A run in small: a fit, a score, a failure."""
    write_json(FIT.folder(runs) / "curve.json", CURVE)
    for one, record in ((FIT, {}), (SCORE, {"metrics": {"fgd": 2.5, "n": 4, "encoder": "abc"}})):
        tracker.on_step(one, StepState("done"), 1.5)
        tracker.on_result(one, record)
    tracker.on_step(Step("fit", "broken", {}), StepState("failed", "no"), 0.5)
    tracker.close()


def test_a_tracker_that_fails_is_named_once_and_hears_nothing_more(tmp_path):
    broken, told = Listening(breaks_at=2), []
    tell_all(guarded(broken, told.append), tmp_path)
    assert len(broken.heard) == 2
    assert told == ["Listening is off: ConnectionError: no route; the run goes on"]


def test_one_that_works_hears_all_and_is_closed_once(tmp_path):
    fine, told = Listening(), []
    tracker = guarded(fine, told.append)
    tell_all(tracker, tmp_path)
    tracker.close()
    assert [words[0] for words in fine.heard] == ["step", "result", "step", "result", "step", "close"]
    assert told == []


def test_of_several_only_the_one_that_fails_is_off(tmp_path):
    broken, fine, told = Listening(breaks_at=1), Listening(), []
    tell_all(guarded(Several((broken, fine)), told.append), tmp_path)
    assert (len(broken.heard), len(fine.heard), len(told)) == (1, 6, 1)


def test_a_run_with_a_broken_tracker_ends_as_one_without(tmp_path, view, monkeypatch):
    notes = []
    monkeypatch.setattr(view, "note", notes.append)
    a = step("a")
    steps = (a, step("b", a), step("c", a, does="fail"))
    broken, fine = Listening(breaks_at=1), Listening()
    outcomes = [
        Runner(tmp_path / str(number), 1, view, execute, tracker=tracker).run(steps)
        for number, tracker in enumerate((broken, fine, None))
    ]
    assert [(len(outcome.made), len(outcome.failed)) for outcome in outcomes] == [(2, 1)] * 3
    assert [note for note in notes if "is off" in note] == [
        "Listening is off: ConnectionError: no route; the run goes on"
    ]
    assert {words[1:] for words in fine.heard if words[0] == "step"} == {("a", "done"), ("b", "done"), ("c", "failed")}
    assert fine.heard[-1] == ("close",)


def test_no_names_are_no_tracker(tmp_path):
    assert make_tracker((), tmp_path, "T") is None
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_tracker_is_named_with_near_matches(tmp_path):
    with pytest.raises(InputError, match=r"unknown tracker 'tensorbord'.*did you mean 'tensorboard'"):
        make_tracker(("tensorbord",), tmp_path, "T")


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")])
def test_a_missing_package_names_the_extra(tmp_path, monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"--track {name}: .*pip install 'gesturebench\[{name}\]'"):
        make_tracker((name,), tmp_path, "T")


def test_tensorboard_files_hold_curves_and_scores(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    tell_all(make_tracker(("tensorboard",), tmp_path, "Demo: λ sweep"), tmp_path)
    (folder,) = (tmp_path / "tracking" / "tensorboard").iterdir()
    found = accumulator.EventAccumulator(str(folder)).Reload()
    part = f"fit/vae_upper {FIT.key[:6]}"
    assert [(e.step, e.value) for e in found.Scalars(f"{part}/loss")] == [(10, 0.5), (20, 0.25)]
    assert [(e.step, e.value) for e in found.Scalars(f"{part}/kl")] == [(10, 0.125), (20, 0.0625)]
    score = next(tag for tag in found.Tags()["scalars"] if tag.startswith("score/fgd/"))
    assert [(e.step, e.value) for e in found.Scalars(score)] == [(3, 2.5)]
    assert [e.value for e in found.Scalars("steps/done")] == [1, 2]
    assert [(e.step, e.value) for e in found.Scalars("steps/failed")] == [(3, 1)]


def records_of(folder):
    """What an offline run of W&B has kept. Its log is one of LevelDB's: after a header of 7 bytes, blocks of 32 KiB
    with records of checksum (4), length (2), type (1: whole, 2 to 4: first, middle and last part) and content."""
    proto = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    (log,) = folder.rglob("run-*.wandb")
    data, place, whole, found = log.read_bytes(), 7, b"", []
    while place + 7 <= len(data):
        if (room := 32768 - place % 32768) < 7:
            place += room
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            found.append(proto.Record.FromString(whole))
            whole = b""
    return found


def test_wandb_keeps_curves_and_scores_offline(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    try:
        tracker = make_tracker(("wandb",), tmp_path, "Demo", "0123456789abcdef")
    except (InputError, OSError) as error:
        pytest.skip(f"wandb {wandb.__version__} does not start here: {error}")
    tell_all(tracker, tmp_path)
    wandb.teardown()  # its own process writes; this waits for it, as the end of ours would
    records = records_of(tmp_path / "tracking")
    (run,) = (record.run for record in records if record.HasField("run"))
    assert (run.run_id, run.display_name, run.project) == ("0123456789abcdef", "Demo", "gesturebench")
    rows = [
        {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
        for record in records
        if record.HasField("history")
    ]
    loss = f"fit/vae_upper {FIT.key[:6]}/loss"
    assert [float(row[loss]) for row in rows if loss in row] == [0.5, 0.25]
    summary = {
        item.key or "/".join(item.nested_key): item.value_json
        for record in records
        if record.HasField("summary")
        for item in record.summary.update
    }
    assert summary["score/fgd/RAG, λ = 0.5 (seed 3)"] == "2.5"
