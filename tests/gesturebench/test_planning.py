"""From the words of the command line to a grid, and the verb `plan`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gesturebench.benchmarks import planned
from gesturebench.benchmarks.grid import StepResources, load_grid
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from gesturebench.generation import choose_cell
from gesturebench.planning import open_grid, open_plan, show_plan


def test_a_name_a_file_and_a_quick_text(tmp_path):
    path = tmp_path / "mine.yaml"
    row = {"label": "a", "method": "ground_truth"}
    path.write_text(yaml.safe_dump({"title": "t", "data": "standin:tiny", "protocol": "standin", "rows": [row]}))
    assert open_grid("demo") == load_grid("demo")
    assert open_grid(str(path)).title == "t"
    assert [row.label for row in open_grid("rag_gesture[retrieval=none,random]").rows] == [
        "rag_gesture, retrieval=none",
        "rag_gesture, retrieval=random",
    ]
    assert open_grid("ground_truth").rows[0].group == "anchor"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (None, ("standin:demo", "standin", "demo")),
        ("standin", ("standin:demo", "standin", "demo")),
        ("standin:tiny", ("standin:tiny", "standin", "tiny")),
        ("BEAT2", ("BEAT2", "beat2", "paper")),
    ],
)
def test_where_a_quick_grid_runs(data, expected):
    grid = open_grid("rag_gesture[retrieval=none]", data=data)
    assert (grid.data, grid.protocol, grid.preset) == expected


def test_what_stands_in_place_of_the_grids_own():
    grid = open_grid(
        "demo", data="there", body="b.npz", protocol="self", preset="tiny", metrics="fgd, bc", seeds="0..2"
    )
    assert (grid.data, grid.body, grid.protocol, grid.preset) == ("there", "b.npz", "self", "tiny")
    assert grid.metrics == ("fgd", "bc")
    assert grid.seeds == (0, 1, 2)
    assert grid.seeds_of(grid.row("Ground truth")) == (0,)


def test_a_grid_of_a_paper_comes_to_the_standin_in_its_size():
    paper = open_grid("raggesture-table1")
    assert (paper.preset, paper.resources.fit.gpus) == ("paper", 1)
    here = open_grid("raggesture-table1", data="standin:tiny")
    assert (here.preset, here.resources) == ("tiny", StepResources())
    assert open_grid("raggesture-table1", data="standin", preset="paper").preset == "paper"


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("dmeo", {}, "unknown grid 'dmeo'.*did you mean 'demo'"),
        ("ground_truht", {}, "unknown grid 'ground_truht'"),
        ("demo", {"preset": "huge"}, "unknown preset 'huge'"),
        ("demo", {"seeds": "a"}, "--seeds a; expected whole numbers"),
        ("demo", {"seeds": "0,0"}, r"has seeds \[0, 0\]"),
        ("demo", {"metrics": "fgd,fgd"}, "metrics is"),
        ("demo", {"metrics": ","}, "metrics is"),
        ("rag_gesture[retrieval=]", {}, r"(?s)character 23: found '\]'; expected a value.*\n {24}\^"),
    ],
)
def test_faults_of_words(text, changes, message):
    with pytest.raises(InputError, match=message):
        open_grid(text, **changes)


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("demo", {"metrics": "fdg"}, "unknown metric 'fdg'.*did you mean 'fgd'"),
        ("demo", {"protocol": "standing"}, "unknown protocol 'standing'.*did you mean 'standin'"),
        ("rag_gestrue[retrieval=none]", {}, "unknown method 'rag_gestrue'.*did you mean 'rag_gesture'"),
        ("demo", {"data": "standin:tinny"}, "unknown stand-in preset 'tinny'.*did you mean 'tiny'"),
    ],
)
def test_faults_that_the_plan_finds(tmp_path, text, changes, message):
    with pytest.raises(InputError, match=message):
        open_plan(text, tmp_path, **changes)


def said(capsys, plan, runs, format: str) -> str:
    show_plan(plan, runs, format)
    return capsys.readouterr().out


@pytest.fixture
def dancer(monkeypatch) -> None:
    """A method that is planned and not built."""
    monkeypatch.setitem(planned.METHODS, "dancer", "a method of another day")


def test_the_tree_says_what_is_shared_left_and_not_built(tmp_path, capsys, dancer):
    rows = "rag_gesture[retrieval=none,discourse] + dancer + ground_truth"
    plan = open_plan(rows, tmp_path, metrics="bc", seeds="0..1")
    tree = said(capsys, plan, tmp_path, "tree")
    assert f"6 cells, {len(plan.steps)} steps: {len(plan.steps)} missing" in tree
    assert "fit vae_upper: missing, for 4 cells of 2 rows" in tree
    assert "rag_gesture, retrieval=none: 2 cells; generate 2 missing; evaluate 2 missing" in tree
    assert "dancer: method 'dancer' is not built yet" in tree
    assert "To do: about" in tree
    assert "Assumed costs" in tree


def test_json_says_the_same_to_programs(tmp_path, capsys):
    plan = open_plan("demo", tmp_path, metrics="bc")
    write_json(plan.prepare.folder(tmp_path) / "record.json", {"spec": dict(plan.prepare.spec), "duration_s": 3600})
    told = json.loads(said(capsys, plan, tmp_path, "json"))
    assert told["steps"] == len(plan.steps)
    assert told["states"] == {"missing": len(plan.steps) - 1, "done": 1}
    assert told["kinds"]["prepare"] == {"done": 1}
    assert sum(kind["steps"] for kind in told["to_do"]["kinds"].values()) == len(plan.steps) - 1
    assert told["protocol"]["name"] == "standin"


def test_failures_and_whoever_waits_for_them_are_told(tmp_path, capsys):
    plan = open_plan("ground_truth", tmp_path, metrics="bc")
    failure = {"kind": "error", "exception": "OSError", "message": "the disk is [gone]"}
    write_json(tmp_path / ".failed" / f"{plan.prepare.key}.json", {"failure": failure})
    tree = said(capsys, plan, tmp_path, "tree")
    assert "1 cell, 4 steps: 1 missing, 1 failed, 2 blocked" in tree
    assert "generate 1 blocked; evaluate 1 blocked" in tree
    assert "prepare clip store: failed (OSError: the disk is [gone])" in tree


def test_a_format_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"unknown format 'jsn'.*did you mean 'json'"):
        show_plan(open_plan("tiny", tmp_path), tmp_path, "jsn")


def test_planning_writes_nothing(tmp_path, capsys):
    """On a store that is there, and on one that is not."""
    runs = tmp_path / "runs"
    said(capsys, open_plan("tiny", runs), runs, "tree")
    assert not runs.exists()
    runs.mkdir()
    said(capsys, open_plan("tiny", runs), runs, "json")
    assert not list(runs.iterdir())


def test_a_folder_of_data_can_be_planned_on_a_store_that_is_only_read(tmp_path, capsys):
    data, runs = tmp_path / "data", tmp_path / "runs"
    (data / "smplxflame_30").mkdir(parents=True)
    (data / "smplxflame_30" / "2_scott_0_1_1.npz").write_text("")
    runs.touch()  # a file where the folder should be: nobody, not even root, can write below it
    plan = open_plan("ground_truth", runs, str(data), metrics="bc")
    assert "1 cell, 3 steps: 3 missing" in said(capsys, plan, runs, "tree")


def test_the_verb_is_thin(tmp_path):
    command = [sys.executable, "-m", "gesturebench", "plan", "tiny", "--format", "json", "--runs", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": "80"})
    assert json.loads(found.stdout)["title"] == load_grid("tiny").title
    assert not list(Path(tmp_path).iterdir())


def test_speech_cannot_be_given_to_a_row_that_is_not_built(tmp_path, dancer):
    plan = open_plan("rag_gesture[retrieval=none] + dancer", tmp_path)
    with pytest.raises(InputError, match=r"dancer': .* is not built yet; choose another --row"):
        choose_cell(plan, "rag_gesture", "dancer", 0)
    assert choose_cell(plan, "rag_gesture", None, 0).row.label == "rag_gesture, retrieval=none"
