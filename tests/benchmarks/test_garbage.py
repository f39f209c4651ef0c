"""Garbage collection: what nobody needs goes, what anybody needs stays, and nothing is ever half."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gesturebench.benchmarks import garbage
from gesturebench.benchmarks.claims import Claims
from gesturebench.benchmarks.garbage import TRASH, Needs, find_garbage, sweep
from gesturebench.benchmarks.remembered import FOLDER, remember, remembered
from gesturebench.benchmarks.step import Step, unique
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json

DAY_S = 86400


def step(name: str, *needs: Step, kind: str = "fit") -> Step:
    return Step(kind, name, {"name": name}, {need.label: need for need in needs})


CORPUS = step("corpus", kind="corpus")
FIT = step("fit", CORPUS)
OLD_FIT = step("old fit", CORPUS)
SCORES = {name: step(name, step(f"motion {name}", fit, kind="generate"), kind="evaluate")
          for name, fit in (("a", FIT), ("b", FIT), ("old", OLD_FIT))}  # fmt: skip


def steps_of(*names: str) -> tuple[Step, ...]:
    return unique(needed for name in names for needed in SCORES[name].with_inputs())


EVERYTHING = steps_of(*SCORES)


@pytest.fixture
def runs(tmp_path) -> Path:
    """All of it done, two grids remembered: one needs a, the other a and b; nothing needs the old one."""
    for one in EVERYTHING:
        finish(tmp_path, one)
    remember("A", steps_of("a"), tmp_path)
    remember("A and B", steps_of("a", "b"), tmp_path)
    return tmp_path


def finish(runs: Path, one: Step) -> None:
    write_json(one.folder(runs) / "record.json", {"label": one.label})
    (one.folder(runs) / "weights").write_bytes(b"x" * 1000)


def keys(*steps: Step) -> frozenset[str]:
    return frozenset(one.key for one in steps)


def there(runs: Path) -> set[str]:
    return {one.label for one in EVERYTHING if (one.folder(runs) / "weights").is_file()}


def collect(needs: Needs, days: float = 7) -> None:
    sweep(find_garbage(needs, days * DAY_S), needs)


def labels(items) -> set[str]:
    return {item.label for item in items if item.sort == "artifact"}


def test_what_no_remembered_plan_needs_is_found_but_not_touched(runs):
    items = find_garbage(Needs(runs), 0)
    assert labels(items) == {"old", "motion old", "old fit"}
    assert {item.kind for item in items} == {"evaluate", "generate", "fit"}
    assert all(item.bytes > 1000 for item in items)
    assert there(runs) == {one.label for one in EVERYTHING}


def test_results_go_before_what_they_were_made_from(runs):
    assert [item.kind for item in find_garbage(Needs(runs), 0)] == ["evaluate", "generate", "fit"]


def test_only_what_named_grids_need_stays(runs):
    collect(Needs(runs, keys(*steps_of("a"))))
    assert there(runs) == {"a", "motion a", "fit", "corpus"}


def test_sweeping_tells_the_bytes_and_leaves_no_trash(runs):
    needs = Needs(runs)
    items = find_garbage(needs, 0)
    assert sweep(items, needs) == sum(item.bytes for item in items)
    assert there(runs) == {one.label for one in steps_of("a", "b")}
    assert not list(runs.rglob(TRASH))
    assert find_garbage(needs, 0) == []


def test_a_step_at_work_keeps_all_that_it_builds_on(runs):
    shutil.rmtree(SCORES["b"].folder(runs))
    claims = Claims(runs)
    assert claims.take(SCORES["b"].key) is None
    try:
        collect(Needs(runs, keys(*steps_of("old"))))
    finally:
        claims.close()
    assert there(runs) == {"old", "motion old", "old fit", "motion b", "fit", "corpus"}


def test_a_step_at_work_that_nobody_remembers_forbids_collecting(runs):
    claims = Claims(runs)
    claims.take(step("stranger").key)
    try:
        with pytest.raises(InputError, match=r"is being made by .*nobody has noted"):
            find_garbage(Needs(runs), 0)
    finally:
        claims.close()


def test_what_becomes_needed_while_it_is_deleted_goes_back(runs, monkeypatch):
    """Another run remembers its plan just after the artifacts were put aside."""
    needs, put_aside = Needs(runs), garbage._put_aside

    def put_aside_and_start(item):
        place = put_aside(item)
        remember("Old", steps_of("old"), runs)
        return place

    items = find_garbage(needs, 0)
    monkeypatch.setattr(garbage, "_put_aside", put_aside_and_start)
    assert sweep(items, needs) == 0
    assert there(runs) == {one.label for one in EVERYTHING}


def test_what_became_needed_since_it_was_listed_is_not_touched(runs, monkeypatch):
    needs = Needs(runs)
    items = find_garbage(needs, 0)
    remember("Old", steps_of("old"), runs)
    monkeypatch.setattr(garbage, "_put_aside", lambda item: pytest.fail(f"{item} was moved"))
    assert sweep(items, needs) == 0


def test_a_collection_that_is_killed_leaves_whole_artifacts_and_trash_that_the_next_one_empties(runs):
    code = f"""
import os, signal, sys
from pathlib import Path
from gesturebench.benchmarks import garbage
seen = []
def delete(place):
    seen.append(place)
    if len(seen) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    real(place)
real, garbage._delete = garbage._delete, delete
needs = garbage.Needs(Path({str(runs)!r}))
garbage.sweep(garbage.find_garbage(needs, 0), needs)
"""
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
    assert killed.returncode == -9, killed.stderr
    assert there(runs) == {one.label for one in steps_of("a", "b")}
    assert not any(one.folder(runs).exists() for one in (SCORES["old"], OLD_FIT))
    assert [item.sort for item in find_garbage(Needs(runs), 0)] == ["trash", "trash"]
    collect(Needs(runs))
    assert find_garbage(Needs(runs), 0) == []


def leave(path: Path, days: float) -> Path:
    """A file that was last touched so long ago, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("left")
    when = time.time() - days * DAY_S
    os.utime(path, (when, when))
    os.utime(path.parent, (when, when))
    return path


def test_leftovers_go_when_they_are_old_and_their_step_is_finished_or_unneeded(runs):
    unneeded, unfinished = step("unneeded"), step("unfinished")
    remember("Unfinished", (unfinished,), runs)
    gone = [
        leave(runs / ".attempts" / FIT.key / "1.json", 8),
        leave(runs / ".work" / FIT.key / "work", 8),
        leave(runs / ".work" / unneeded.key / "checkpoint.pt", 8),
        leave(runs / ".attempts" / unneeded.key / "1.json", 8),
        leave(runs / ".failed" / f"{unneeded.key}.json", 8),
        leave(runs / ".claims" / f"{FIT.key}.1.json", 8),
    ]
    stays = [
        leave(runs / ".attempts" / SCORES["a"].key / "1.json", 6),
        leave(runs / ".work" / unfinished.key / "checkpoint.pt", 8),
        leave(runs / ".attempts" / unfinished.key / "1.json", 8),
        leave(runs / ".failed" / f"{unfinished.key}.json", 8),
        leave(runs / ".claims" / f"{unfinished.key}.1.json", 8),
    ]
    collect(Needs(runs), days=7)
    assert [path for path in gone if path.exists()] == []
    assert [path for path in stays if not path.exists()] == []


def test_checkpoints_stay_beside_half_of_a_copy(runs):
    work = leave(runs / ".work" / FIT.key / "checkpoint", 9)
    (FIT.folder(runs) / "record.json").unlink()
    collect(Needs(runs))
    assert work.is_file()


def test_the_youngest_file_of_a_leftover_is_its_age(runs):
    leave(runs / ".work" / FIT.key / "old", 30)
    young = leave(runs / ".work" / FIT.key / "deep" / "young", 1)
    collect(Needs(runs), days=7)
    assert young.exists()


def test_folders_that_are_no_artifacts_are_left_alone(runs):
    for name in ("notes", f"{FIT.key} (copy)", FIT.key.upper()):
        (runs / "fit" / name).mkdir(exist_ok=True)
    collect(Needs(runs, frozenset()))
    assert {path.name for path in (runs / "fit").iterdir()} == {"notes", f"{FIT.key} (copy)", FIT.key.upper()}


def test_a_link_is_removed_and_not_what_it_points_to(runs, tmp_path_factory):
    target = tmp_path_factory.mktemp("elsewhere")
    (target / "weights").write_text("mine")
    shutil.rmtree(OLD_FIT.folder(runs))
    OLD_FIT.folder(runs).symlink_to(target)
    collect(Needs(runs))
    assert not OLD_FIT.folder(runs).is_symlink()
    assert (target / "weights").read_text() == "mine"


def test_plans_are_remembered_once_and_by_what_they_need(tmp_path):
    first = remember("T", steps_of("a"), tmp_path)
    assert remember("T", reversed(steps_of("a")), tmp_path) == first
    assert len({first, remember("T", steps_of("a", "b"), tmp_path), remember("U", steps_of("a"), tmp_path)}) == 3
    found = {plan.title: plan.inputs for plan in remembered(tmp_path)}
    assert found["U"][FIT.key] == (CORPUS.key,)


@pytest.mark.parametrize("text", ["{", "[]", '{"title": "T"}', '{"title": "T", "steps": [1]}'])
def test_a_plan_that_cannot_be_read_forbids_collecting(runs, text):
    (runs / FOLDER / "0.json").write_text(text)
    with pytest.raises(InputError, match=r"0\.json"):
        find_garbage(Needs(runs), 0)


def test_a_store_that_may_not_be_written_is_an_error_with_its_path(runs, monkeypatch):
    needs = Needs(runs)
    items = find_garbage(needs, 0)

    def refuse(self, target):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InputError, match="cannot be written"):
        sweep(items, needs)
    assert there(runs) == {one.label for one in EVERYTHING}


def test_a_claim_on_what_is_no_step_forbids_nothing(runs):
    """Somebody submits steps to a cluster meanwhile."""
    claims = Claims(runs)
    claims.take("submission")
    collect(Needs(runs))
    assert there(runs) == {one.label for one in steps_of("a", "b")}
    claims.close()
