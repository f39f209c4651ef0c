"""Expansion of axes: how many rows, in which order, with which labels; and what is refused."""

import math
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.benchmarks.axes import MOST, Point, label_of, points_of
from gesturebench.benchmarks.grid import Grid, Row
from gesturebench.common.errors import InputError

keys = st.text(string.ascii_lowercase, min_size=1, max_size=4)
scalars = st.integers(-3, 3) | st.text(string.ascii_letters, min_size=1, max_size=3)


@st.composite
def axes(draw, most: int = 3) -> list[dict[str, list]]:
    """Axes of one or two keys each; every key once in all, every value once in its axis."""
    names = draw(st.lists(keys, min_size=1, max_size=most, unique=True))
    found: list[dict[str, list]] = []
    while names:
        width = draw(st.integers(1, min(2, len(names))))
        size = draw(st.integers(1, 4))
        found.append(
            {names.pop(): draw(st.lists(scalars, min_size=size, max_size=size, unique=True)) for _ in range(width)}
        )
    return found


def lengths(given_axes: list[dict[str, list]]) -> list[int]:
    return [len(next(iter(axis.values()))) for axis in given_axes]


def grid(row_axes=None, label="row", **changes) -> Grid:
    row = Row(label=label, method="m", axes=row_axes, **changes.pop("row", {}))
    return Grid(title="t", data="standin:tiny", protocol="standin", rows=(row,), **changes)


@settings(max_examples=60, deadline=None)
@given(axes())
def test_there_is_a_row_for_every_combination(given_axes):
    rows = grid(given_axes).expanded().rows
    assert len(rows) == math.prod(lengths(given_axes))
    assert len({row.label for row in rows}) == len(rows)
    assert len({tuple(row.values.items()) for row in rows}) == len(rows)


@settings(max_examples=60, deadline=None)
@given(axes())
def test_each_row_takes_one_step_of_every_axis(given_axes):
    for row in grid(given_axes).expanded().rows:
        assert row.config == row.values
        for axis in given_axes:
            assert tuple(row.values[key] for key in axis) in list(zip(*axis.values()))


@settings(max_examples=60, deadline=None)
@given(axes())
def test_the_first_axis_is_the_slowest(given_axes):
    points, _ = points_of(given_axes, (), "grid")
    places = [
        tuple(list(zip(*axis.values())).index(tuple(point.values[key] for key in axis)) for axis in given_axes)
        for point in points
    ]
    assert places == sorted(places)


@settings(max_examples=60, deadline=None)
@given(axes(), st.data())
def test_an_exclusion_leaves_out_what_it_names_and_nothing_else(given_axes, data):
    everything, _ = points_of(given_axes, (), "grid")
    chosen = data.draw(st.sampled_from(everything))
    named = data.draw(st.lists(st.sampled_from(sorted(chosen.values)), min_size=1, unique=True))
    rule = {key: chosen.values[key] for key in named}
    kept, used = points_of(given_axes, (rule,), "grid")
    assert kept == [p for p in everything if any(p.values[key] != value for key, value in rule.items())]
    assert used == {0}


@settings(max_examples=60, deadline=None)
@given(axes())
def test_expansion_is_its_own_expansion(given_axes):
    once = grid(given_axes).expanded()
    assert once.expanded() == once


@settings(max_examples=60, deadline=None)
@given(axes())
def test_rows_without_axes_of_their_own_take_the_grids(given_axes):
    assert grid(None, axes=given_axes).expanded().rows == grid(given_axes).expanded().rows
    assert [row.label for row in grid([], axes=given_axes).expanded().rows] == ["row"]


def test_names_of_values_and_fields_of_labels():
    rows = grid([{"guidance.lr": {"slow": 0.05, "fast": 0.1}}, {"keep": [1, None]}], "{guidance.lr} guidance, {keep}")
    found = {row.label: row.config for row in rows.expanded().rows}
    assert found == {
        f"{name} guidance, {word}": {"guidance.lr": lr, "keep": keep}
        for name, lr in (("slow", 0.05), ("fast", 0.1))
        for word, keep in (("1", 1), ("null", None))
    }


def test_the_rows_own_config_stays_beside_its_axes():
    row = grid([{"a.b": [1]}], row={"config": {"c": 2}, "values": {"x": 0}}).expanded().rows[0]
    assert (row.config, row.values) == ({"c": 2, "a.b": 1}, {"x": 0, "a.b": 1})


def test_an_exclusion_may_name_values_by_name_or_in_lists():
    two = [{"a": {"one": 1, "two": 2}}, {"b": [3, 4, 5]}]
    kept, _ = points_of(two, ({"a": "one", "b": [3, 4]},), "grid")
    assert [tuple(point.values.values()) for point in kept] == [(1, 5), (2, 3), (2, 4), (2, 5)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"row_axes": [{"a": []}]}, r"row 'row' axis 1 'a' has no values"),
        ({"row_axes": [{}]}, "axis 1: no key"),
        ({"row_axes": [{"a": 3}]}, "axis 1 'a' is 3; expected a list of values"),
        ({"row_axes": [{"a": [1, 1]}]}, r"axis 1: holds \[1\] twice"),
        ({"row_axes": [{"a": [1]}, {"a": [2]}]}, "two axes have a twice"),
        ({"row_axes": [{"a": [1, 2], "b": [1]}]}, "a has 2, b has 1 values; expected equally many"),
        ({"row_axes": [{"a": [1, 2]}], "label": "{b}"}, "unknown axis in the label of grid row '{b}' 'b'"),
        ({"row_axes": [{"a": [1]}], "row": {"exclude": [{"a": 1}]}}, "every combination is excluded"),
        ({"row_axes": [{"a": [1]}], "row": {"exclude": [{"a": 2}]}}, r"exclude {'a': 2} leaves nothing out"),
        ({"row_axes": [{"a": [1]}], "exclude": [{"b": 1}]}, r"exclude {'b': 1} leaves nothing out"),
        ({"row_axes": [{"a": [1]}], "exclude": [{}]}, r"exclude {} leaves nothing out"),
        ({"row_axes": [{"a": [1, 2]}, {"b": [1, 2]}], "label": "{a}"}, "two rows are labelled '1'"),
        ({"row_axes": [{k: list(range(400))} for k in "ab"]}, f"160000 combinations; expected at most {MOST}"),
    ],
)
def test_faults_of_axes(changes, message):
    with pytest.raises(InputError, match=message):
        grid(**changes).expanded()


def test_a_grids_exclusion_may_concern_some_rows_alone():
    rows = (Row(label="x", method="m", axes=[{"a": [1, 2]}]), Row(label="y", method="m", axes=[{"b": [1, 2]}]))
    declared = Grid(title="t", data="d", protocol="p", rows=rows, exclude=[{"a": 1}])
    assert [row.label for row in declared.expanded().rows] == ["x, a=2", "y, b=1", "y, b=2"]


def test_a_label_says_words_as_they_are_and_all_else_as_json():
    point = Point({"a": [1, 2], "b": True}, {"a": "[1, 2]", "b": "true"})
    assert label_of("row", point, "row") == "row, a=[1, 2], b=true"
