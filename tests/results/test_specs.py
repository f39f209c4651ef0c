"""Specs of published tables: each is whole, agrees with its grid, and faults are told in one line."""

import pytest
import yaml

from gesturebench.benchmarks.grid import grid_names, load_grid
from gesturebench.common.errors import InputError
from gesturebench.evaluators.registry import (
    embedding_metric_names,
    evaluator_names,
    get_embedding_metric,
    get_evaluator,
)
from gesturebench.results.specs import RowSpec, load_spec, table_names

SPEC = {
    "paper": "P",
    "table": "Table 1",
    "caption": "c",
    "published": [{"file": "exges", "table": "Table 3"}],
    "grids": ["exges-table3"],
    "columns": [{"published": "FGD", "ours": "fgd"}],
    "rows": [{"published": "ExGes"}],
}


def column_keys() -> set[str]:
    metrics = [*map(get_evaluator, evaluator_names()), *map(get_embedding_metric, embedding_metric_names())]
    return {column.key for metric in metrics for column in metric.columns}


@pytest.mark.parametrize("name", table_names())
def test_specs_agree_with_their_grids_and_with_our_metrics(name):
    spec = load_spec(name)
    assert {column.ours for column in spec.columns} - {""} <= column_keys()
    for number, grid_name in enumerate(spec.grids):
        assert grid_name in grid_names()
        grid = load_grid(grid_name)
        named = {row.ours for row in spec.rows if row.ours}
        assert named <= {row.label for row in grid.rows}, "a row is given another name that the grid does not have"
        competing = {row.label for row in grid.rows if row.method == grid.rows[-1].method and row.group == "method"}
        assert competing & {row.own_label for row in spec.rows}, "the paper's method has no row in common"
        own = {c.key for metric in evaluator_names() for c in get_evaluator(metric).columns}
        given = {c.key for m in grid.metrics if m in evaluator_names() for c in get_evaluator(m).columns}
        wanted = {column.ours for column in spec.columns if column.grid == number} & own
        assert not wanted or wanted & given, "the grid measures none of the columns"


@pytest.mark.parametrize("name", table_names())
def test_every_published_value_of_the_rows_is_shown(name):
    """What a file holds of a table is in its spec, row by row and column by column."""
    spec = load_spec(name)
    for source, numbers in zip(spec.published, spec.numbers):
        if source.table == "PlanTalk list":
            continue  # other methods' rows of a list that quotes MambaTalk
        shown = {(row.published, column.published) for row in spec.rows for column in spec.columns}
        assert {(value.method, value.metric) for value in numbers.values} <= shown


def test_scales_digits_and_directions_come_from_the_printed_numbers():
    spec = load_spec("emage-table4")
    fgd, bc, _, mse, _ = spec.columns
    assert [spec.scale(c) for c in (fgd, bc, mse)] == [10, 10, 1e8]
    assert spec.decimals(fgd) == 3
    assert (spec.direction(fgd), spec.direction(bc)) == ("lower", "higher")
    assert spec.in_our_unit(RowSpec(published="EMAGE"), fgd) == pytest.approx(0.5512)
    control = load_spec("exges-table2")
    assert control.in_our_unit(control.rows[0], control.columns[0]) == pytest.approx(84.3), "ours are in mm"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"capton": "c"}, "did you mean 'caption'"),
        ({"rows": [{"published": "ExGess"}]}, "did you mean 'ExGes'"),
        ({"rows": [{"publishd": "ExGes"}]}, r"my.yaml rows 1.*did you mean 'published'"),
        ({"columns": [{"published": "FDG"}]}, "did you mean 'FGD'"),
        ({"columns": [{"published": "FGD", "scale": 0}]}, "scale = 0"),
        ({"columns": [{"published": "FGD", "grid": 1}]}, "has grid 1; expected below 1"),
        ({"rows": [{"published": "ExGes", "source": 1}]}, "has source 1; expected below 1"),
        ({"published": [{"file": "exges", "table": "Table 33"}]}, "did you mean 'Table 3'"),
        ({"baseline": "ExGos"}, "did you mean 'ExGes'"),
        ({"grids": []}, "neither grids nor awaits"),
        ({"awaits": "x"}, "both grids and awaits"),
    ],
)
def test_faults_are_named(changes, message, tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump(SPEC | changes))
    with pytest.raises(InputError, match=message):
        load_spec(str(path))


def test_a_spec_of_ones_own(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump(SPEC))
    assert load_spec(str(path)).title == "P, Table 1: c"
    with pytest.raises(InputError, match="did you mean 'exges-table1'"):
        load_spec("exges-tabel1")


@pytest.mark.parametrize(("text", "holds"), [("", "nothing"), ("- a", "list"), ("a", "str")])
def test_a_spec_that_is_no_mapping_is_told_what_a_spec_has(text, holds, tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"my.yaml: holds {holds}; expected a mapping with paper, table, caption"):
        load_spec(str(path))
