"""Grids: what is refused, and how the refusal reads."""

from pathlib import Path

import pytest
import yaml

from gesturebench.benchmarks.grid import Grid, grid_names, load_grid, seeds_from
from gesturebench.benchmarks.plan import make_plan
from gesturebench.benchmarks.source import FolderSource, StandinSource, find_source
from gesturebench.common.errors import InputError

OF_NO_PAPER = {"demo", "tiny", "beat2"}
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
    """On the stand-in and on BEAT2 alike: what is not built is absent, all else has its cells."""
    grid = load_grid(name)
    for source in (StandinSource("tiny"), FolderSource(Path("BEAT2"), "hash")):
        if grid.protocol == "standin" and not source.is_standin:
            continue
        plan = make_plan(grid, source)
        assert plan.steps
        assert all(bool(plan.cells_of(row.label)) != (row.label in plan.absent) for row in grid.rows)
        assert plan.protocol.is_bound == (grid.protocol not in ("standin", "beat2") and not source.is_standin)


OF_PAPERS = sorted(name for name in grid_names() if name not in OF_NO_PAPER and not name.startswith("standin-"))


@pytest.mark.parametrize("name", OF_PAPERS)
def test_a_grid_of_a_paper_says_which_and_how_it_is_run(name):
    grid = load_grid(name)
    assert grid.paper
    assert grid.mirrors
    assert grid.preset == "paper"
    assert grid.resources.fit.gpus == 1
    assert any(row.method == "ground_truth" for row in grid.rows)


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
        ({"seeds": "4..0"}, "grid.yaml.seeds = '4..0'; expected whole numbers such as"),
        ({"seeds": "0..99999999999"}, "grid.yaml.seeds = '0..99999999999'; expected a range of at most 10000 seeds"),
        ({"seeds": True}, "grid.yaml.seeds"),
        ({"seeds": [True, False]}, "grid.yaml.seeds = .*expected a list of whole numbers"),
        ({"seeds": [-1]}, r"has seeds \[-1\]; expected .* from 0 to 2"),
        ({"seeds": [2**64]}, "has seeds .*; expected .* from 0 to 2"),
        ({"rows": [{"label": "a\nb", "method": "x"}]}, r"row 1 is labelled 'a\\nb'; expected one line"),
        ({"resources": {"fit": {"gpus": True}}}, "grid.yaml.resources.fit.gpus = True; expected a number"),
        ({"resources": {"fit": {"mem_gb": float("inf")}}}, "fit.mem_gb = inf; expected a finite number"),
        ({"axes": {"a": [1]}}, "grid.yaml.axes = .*expected a list of mappings"),
        ({"axes": [3]}, "grid.yaml.axes = .*expected a list of mappings"),
        ({"axes": [{"x": []}]}, "row 'a' axis 1 'x' has no values"),
        ({"resources": {"fitt": {}}}, "unknown key of grid.yaml.resources 'fitt'.*did you mean 'fit'"),
        ({"resources": {"fit": {"gpu": 1}}}, "unknown key of grid.yaml.resources.fit 'gpu'.*did you mean 'gpus'"),
        (
            {"resources": {"fit": {"gpus": -1}}},
            "resources.fit.gpus = -1; expected greater than or equal to 0",
        ),
        ({"resources": {"fit": {"nodes": 0}}}, "resources.fit.nodes = 0"),
        ({"resources": {"fit": {"mem_gb": -2}}}, "resources.fit.mem_gb = -2; expected greater than 0"),
        ({"resources": {"fit": {"time_min": 0}}}, "resources.fit.time_min = 0; expected greater than 0"),
        (
            {"base": {"ground_turth": {}}},
            "method in grid.yaml.base 'ground_turth'.*did you mean 'ground_truth'",
        ),
        ({"base": 3}, "grid.yaml.base = 3"),
    ],
)
def test_faults_of_the_file(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        load_grid(write(tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": [{"label": "a", "method": "exgse"}]}, "unknown method 'exgse'.*did you mean 'exges'"),
        ({"metrics": ["r_precison"]}, "unknown metric 'r_precison'.*did you mean 'r_precision'"),
        (
            {"rows": [{"label": "a", "method": "rag_gesture", "config": {"retrieval": "discours"}}]},
            "'discours'.*did you mean 'discourse'",
        ),
        (
            {
                "rows": [
                    {"label": "a", "method": "rag_gesture", "config": {"retrieval": {"strategy": "llm", "keeep": 1}}}
                ]
            },
            "'keeep'.*did you mean 'keep'",
        ),
        (
            {"rows": [{"label": "a", "method": "rag_gesture"}], "base": {"all": {"trainig.steps": 1}}},
            "base.all 'trainig.steps'.*did you mean 'training.steps'",
        ),
        (
            {"rows": [{"label": "a", "method": "rag_gesture"}], "base": {"rag_gesture": {"trainig.steps": 1}}},
            "config of row 'a' 'trainig'.*did you mean 'training'",
        ),
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: &b {all: *b}", "not valid YAML .*recursive"),
        (f"rows: {'[' * 3000}{']' * 3000}", "too deep"),
        (f"seeds: {'9' * 5000}", "not valid YAML .*4300 digits"),
        ("note: !!binary aGk=", "not valid YAML .*binary"),
        ("\t- a", "not valid YAML .*line 1, column 1"),
    ],
)
def test_yaml_that_is_no_data(tmp_path, text, message):
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        load_grid(str(path))
    assert "\n" not in str(error.value)


def test_a_date_is_the_text_that_spells_it(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump(GOOD | {"paper": "PAPER"}).replace("PAPER", "2025-06-01"), encoding="utf-8-sig")
    assert load_grid(str(path)).paper == "2025-06-01"


def test_metrics_of_truth_need_a_corpus_that_has_it():
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


def test_seeds_as_people_write_them(tmp_path):
    written = (("0..4", (0, 1, 2, 3, 4)), ("3", (3,)), ("1,5", (1, 5)), (2, (2,)), ([4, 1], (4, 1)))
    for told, seeds in written:
        assert load_grid(write(tmp_path, seeds=told)).seeds == seeds
        assert tuple(seeds_from(told)) == seeds


def test_a_file_is_expanded_when_it_is_loaded(tmp_path):
    path = write(
        tmp_path,
        rows=[{"label": "{retrieval} and {guidance}", "method": "rag_gesture"}],
        axes=[{"retrieval": ["none", "discourse"]}, {"guidance": ["none", "paper"]}],
        exclude=[{"retrieval": "none", "guidance": "paper"}],
    )
    labels = ["none and none", "discourse and none", "discourse and paper"]
    assert [row.label for row in load_grid(path).rows] == labels


def test_resources_are_told_of_the_kinds_that_ask_for_some():
    grid = Grid.parse({**GOOD, "resources": {"fit": {"gpus": 0}}})
    assert grid.resources.of("fit").gpus == 0
    assert grid.resources.of("evaluate") is None
