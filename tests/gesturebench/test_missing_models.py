"""What a grid reads and this machine lacks: the plan says so, and nothing is trained before it is there."""

import json

import pytest

from gesturebench.benchmarks.grid import grid_names, load_grid
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from gesturebench.launching import Request, run_plan
from gesturebench.planning import open_plan, show_plan

READERS = {"rag_gesture", "remodiffuse", "mambatalk", "diffuse_style_gesture", "exges"}
"""Methods that read pretrained models where the size is that of the paper."""
GRID = "rag_gesture[retrieval=none,discourse] + ground_truth"


@pytest.fixture(autouse=True)
def no_models(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def test_the_plan_says_which_models_are_missing_and_how_to_get_them(tmp_path, capsys):
    plan = open_plan(GRID, tmp_path, "standin:tiny", preset="paper", metrics="bc")
    show_plan(plan, tmp_path, "tree")
    tree = capsys.readouterr().out
    assert "not on this machine" in tree
    for model in ("google-bert/bert-base-cased", "facebook/wav2vec2-base-960h"):
        assert f"hf download {model} --revision" in tree
    assert "(for 2 rows)" in tree
    show_plan(plan, tmp_path, "json")
    told = json.loads(capsys.readouterr().out)
    assert set(map(tuple, told["missing"].values())) == {
        ("rag_gesture, retrieval=none", "rag_gesture, retrieval=discourse")
    }


def test_small_sizes_miss_nothing(tmp_path):
    for size in ("tiny", "demo"):
        assert not open_plan(GRID, tmp_path, "standin:tiny", preset=size, metrics="bc").missing


@pytest.mark.parametrize("name", grid_names())
def test_every_built_in_grid_is_planned_without_a_model(name, tmp_path):
    size = load_grid(name).preset
    plan = open_plan(name, tmp_path, "standin:tiny", preset=size)
    assert plan.cells
    assert bool(plan.missing) == (size == "paper" and any(cell.row.method in READERS for cell in plan.cells))


def test_nothing_is_run_before_the_models_are_there(tmp_path):
    plan = open_plan(GRID, tmp_path, "standin:tiny", preset="paper", metrics="bc")
    for launcher in ("local", "slurm"):
        with pytest.raises(
            InputError, match=r"row 'rag_gesture, retrieval=none': conditions.bert.model: .*hf download"
        ):
            run_plan(plan, Request(GRID, tmp_path, launcher))
    assert not list(tmp_path.iterdir())


def test_what_is_generated_is_scored_without_the_models(tmp_path, monkeypatch):
    plan = open_plan(GRID, tmp_path, "standin:tiny", preset="paper", metrics="bc")
    for cell in plan.cells:
        write_json(cell.generate.folder(tmp_path) / "record.json", {"spec": dict(cell.generate.spec)})
    ran = []
    monkeypatch.setattr("gesturebench.launching.run_here", lambda *asked: ran.append(asked) or 0)
    assert run_plan(plan, Request(GRID, tmp_path, "local")) == 0
    assert ran
