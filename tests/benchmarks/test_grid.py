"""Grids: what is refused, and how the refusal reads."""

import pytest
import yaml

from gesturebench.benchmarks.grid import grid_names, load_grid
from gesturebench.benchmarks.plan import make_plan
from gesturebench.benchmarks.source import StandinSource, find_source
from gesturebench.common.errors import InputError

GOOD = {
    "title": "t",
    "data": "standin:tiny",
    "protocol": "standin",
    "preset": "tiny",
    "rows": [{"label": "a", "method": "ground_truth"}],
}


def write(tmp_path, **changes):
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump(GOOD | changes))
    return str(path)


@pytest.mark.parametrize("name", grid_names())
def test_every_shipped_grid_can_be_planned(name):
    plan = make_plan(load_grid(name), StandinSource("tiny"))
    assert plan.steps


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sedes": [0]}, "unknown key of grid.yaml 'sedes'.*did you mean 'seeds'"),
        ({"rows": [{"label": "a", "methd": "x"}]}, "row 1 'methd'.*did you mean 'method'"),
        ({"rows": []}, "no rows"),
        ({"rows": [GOOD["rows"][0]] * 2}, "two rows are labelled 'a'"),
        ({"seeds": [1, 1]}, "has seeds"),
        ({"seeds": []}, "has seeds"),
        ({"seeds": ["x"]}, "grid.yaml.seeds.0"),
        ({"preset": "tinny"}, "preset 'tinny'; expected one of demo, paper, tiny; did you mean 'tiny'"),
        ({"rows": 5}, "rows is 5; expected a list of mappings"),
        ({"rows": None}, "rows is None"),
        ({"rows": ["a"]}, "rows is .*; expected a list of mappings"),
        ({"rows": [{"label": " ", "method": "x"}]}, "row 1 has no label"),
        ({"metrics": []}, "metrics is .*expected one or more"),
        ({"metrics": ["bc", "bc"]}, "metrics is .*expected one or more different"),
    ],
)
def test_faults_of_the_file(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        load_grid(write(tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"rows": [{"label": "a", "method": "rag_gestrue"}]},
            "unknown method 'rag_gestrue'.*did you mean 'rag_gesture'",
        ),
        ({"metrics": ["fdg"]}, "metric.* 'fdg'.*did you mean 'fgd'"),
        ({"protocol": "standing"}, "unknown protocol 'standing'.*did you mean 'standin'"),
        (
            {"rows": [{"label": "a", "method": "rag_gesture", "config": {"retrieval": {"stratgy": "none"}}}]},
            "'stratgy'.*did you mean 'strategy'",
        ),
    ],
)
def test_faults_that_the_plan_finds(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        make_plan(load_grid(write(tmp_path, **changes)), StandinSource("tiny"))


def test_faults_of_the_source(tmp_path):
    with pytest.raises(InputError, match=r"unknown stand-in preset 'tinny'.*did you mean 'tiny'"):
        StandinSource("tinny").steps("1")
    with pytest.raises(InputError, match="no such folder"):
        find_source(str(tmp_path / "absent"), None, tmp_path)


def test_not_a_grid(tmp_path):
    (tmp_path / "a.yaml").write_text("a: [")
    (tmp_path / "b.yaml").write_text("- a")
    for name, message in (("a", "not valid YAML"), ("b", "holds list"), ("c", "no such grid file")):
        with pytest.raises(InputError, match=message):
            load_grid(str(tmp_path / f"{name}.yaml"))
    with pytest.raises(InputError, match=r"unknown grid 'dmeo'.*did you mean 'demo'"):
        load_grid("dmeo")


def test_metrics_of_truth_need_a_corpus_that_has_it():
    from pathlib import Path

    from gesturebench.benchmarks.source import FolderSource

    with pytest.raises(InputError, match="reads the stand-in's truth"):
        make_plan(load_grid("tiny"), FolderSource(Path("x"), "hash"))


def test_a_key_that_stands_twice_is_not_lost_in_silence(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump(GOOD) + "title: another\n")
    with pytest.raises(InputError, match="'title' stands twice"):
        load_grid(str(path))


def test_a_path_is_named_as_it_was_given():
    with pytest.raises(InputError, match=r"^sub/grid: no such grid file"):
        load_grid("sub/grid")


def test_a_folder_that_the_generator_wrote_is_a_standin(tmp_path):
    (tmp_path / "smplxflame_30").mkdir()
    (tmp_path / "smplxflame_30" / "2_scott_0_1_1.npz").write_text("")
    assert not find_source(str(tmp_path), None, tmp_path).is_standin
    (tmp_path / "manifest.json").write_text('{"generator_version": 1}')
    assert find_source(str(tmp_path), None, tmp_path).is_standin
