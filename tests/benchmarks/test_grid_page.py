"""The page about grids says what is so."""

import re
from pathlib import Path

import pytest

from gesturebench.benchmarks import planned, quick
from gesturebench.benchmarks.grid import grid_names, load_grid
from gesturebench.benchmarks.plan import make_plan
from gesturebench.benchmarks.source import StandinSource

PAGE = (Path(__file__).parents[2] / "docs" / "grids.md").read_text(encoding="utf-8")


def test_the_example_can_be_planned(tmp_path):
    example = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1]
    (tmp_path / "example.yaml").write_text(example)
    grid = load_grid(str(tmp_path / "example.yaml"))
    rates = [f"early, rate {rate}" for rate in (0.05, 0.1, 0.2)]
    labels = ["Ground truth", *rates, "everywhere, rate 0.05", "initialisation and inpainting"]
    assert [row.label for row in grid.rows] == labels
    plan = make_plan(grid, StandinSource("tiny"))
    assert list(plan.absent) == labels[-1:]
    assert len(plan.cells) == 1 + 3 * 4


def test_every_built_in_grid_is_listed_as_it_is():
    listed = [line for line in PAGE.splitlines() if line.startswith("| `")]
    grids = {name: load_grid(name) for name in grid_names()}
    assert listed == [
        f"| `{name}` | {grid.paper or '-'} | {grid.mirrors or grid.title} | `{grid.protocol}` |"
        for name, grid in grids.items()
    ]


def test_the_grammar_is_that_of_the_code():
    assert re.search(r"    grid  = .*?(?=\n\n)", quick.__doc__, re.DOTALL)[0] in PAGE


@pytest.mark.parametrize("text", re.findall(r"gesturebench \w+ '([^']*)'", PAGE))
def test_the_quick_examples_can_be_planned(text):
    plan = make_plan(quick.quick_grid(text, "standin:tiny", "standin", "tiny"), StandinSource("tiny"))
    assert len(plan.cells) == len(plan.grid.rows)


def test_every_planned_method_is_named():
    assert all(f"`{name}`" in PAGE for name in planned.METHODS)
