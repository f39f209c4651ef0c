"""Which rows lie along an axis, and which belong together."""

import pytest

from gesturebench.benchmarks.grid import Row
from gesturebench.benchmarks.planned import METHODS
from gesturebench.common.errors import InputError
from gesturebench.results.figure_style import NothingToDraw
from gesturebench.results.figure_sweep import axes_of, find_sweep
from tests.results.made_up import BLIND, GUIDED, TRUTH, planned, swept


def test_numbers_rise_and_rows_that_differ_elsewhere_are_other_series():
    plan = swept(({"guidance.schedule": ["all_one", "decreasing"]}, {"guidance.lr": [0.9, 0, 0.1]}))
    sweep = find_sweep(plan, "guidance.lr")
    assert (sweep.values, sweep.is_numeric) == ((0, 0.1, 0.9), True)
    assert [series.name for series in sweep.series] == ["schedule=all_one", "schedule=decreasing"]
    assert sweep.series[1].rows[2] == "RAG, guidance.schedule=decreasing, guidance.lr=0.9"
    assert sweep.beside == ("Ground truth", "Random clip")


def test_names_keep_the_order_of_the_grid():
    plan = swept(({"guidance.schedule": ["increasing", "all_one", "decreasing"]},))
    sweep = find_sweep(plan)
    assert (sweep.axis, sweep.is_numeric) == ("guidance.schedule", False)
    assert sweep.names == ("increasing", "all_one", "decreasing")
    assert [series.rows for series in sweep.series] == [
        {
            0: "RAG, guidance.schedule=increasing",
            1: "RAG, guidance.schedule=all_one",
            2: "RAG, guidance.schedule=decreasing",
        }
    ]


def test_keys_that_walk_together_are_one_axis():
    plan = swept(({"guidance.lr": [0.1, 0.2], "retrieval.keep": [1, 5]},))
    assert axes_of(plan) == ["guidance.lr"]
    assert len(find_sweep(plan, "retrieval.keep").series) == 1


def test_rows_without_axes_are_placed_by_their_settings():
    rows = (
        TRUTH,
        Row(label="none", method="rag_gesture"),
        Row(label="start only", method="rag_gesture", config={"retrieval": "discourse"}),
        Row(label="all", method="rag_gesture", config=GUIDED),
        Row(label="random", method="rag_gesture", config=GUIDED | {"retrieval": "random"}),
    )
    for key in ("retrieval", "retrieval.strategy"):
        sweep = find_sweep(planned(rows=rows), key)
        assert sweep.values == ("none", "discourse", "random")
        assert {s.name: dict(s.rows) for s in sweep.series} == {
            "mode=none": {0: "none", 1: "start only"},
            "mode=paper": {1: "all", 2: "random"},
        }


def test_a_row_that_waits_for_its_method_has_a_place_but_no_settings():
    row = Row(label="RAG", method="rag_gesture", config=GUIDED)
    later = row.model_copy(update={"label": "later", "awaits": "a cluster"})
    plan = planned(rows=(row, later), axes=({"guidance.lr": [0.1, 0.2]},))
    assert {label for series in find_sweep(plan).series for label in series.rows.values()} >= {
        "later, guidance.lr=0.1",
        "later, guidance.lr=0.2",
    }


def test_rows_outside_a_declared_axis_stand_beside_it():
    """Without guidance there is a schedule in the settings, and it says nothing."""
    rows = (
        Row(label="no guidance", method="rag_gesture", config={"retrieval": "discourse"}, axes=()),
        Row(label="{guidance.schedule}", method="rag_gesture", config=GUIDED),
    )
    plan = planned(rows=rows, axes=({"guidance.schedule": ["all_one", "decreasing_till_25"]},))
    sweep = find_sweep(plan)
    assert [dict(series.rows) for series in sweep.series] == [{0: "all_one", 1: "decreasing_till_25"}]
    assert sweep.beside == ("no guidance",)


def test_a_section_s_name_stands_for_its_principal_key():
    plan = planned(rows=(Row(label="RAG", method="rag_gesture"),), axes=({"retrieval": ["none", "discourse"]},))
    assert axes_of(plan) == ["retrieval"]
    assert find_sweep(plan, "retrieval.strategy").values == find_sweep(plan).values == ("none", "discourse")


def test_methods_that_are_not_built_have_axes_too(monkeypatch):
    monkeypatch.setitem(METHODS, "dancer", "a method of another day")
    rows = (Row(label="{control.frames} frames", method="dancer"),)
    sweep = find_sweep(planned(rows=rows, axes=({"control.frames": [1, 2], "k": [1, 2]},)), "control.frames")
    assert [dict(series.rows) for series in sweep.series] == [{0: "1 frames", 1: "2 frames"}]


def test_what_is_no_axis_is_refused():
    plan = swept(({"guidance.lr": [0.1, 0.2]}, {"guidance.schedule": ["all_one", "decreasing"]}))
    with pytest.raises(InputError, match=r"unknown axis 'guidance.lrr'.*did you mean 'guidance.lr'"):
        find_sweep(plan, "guidance.lrr")
    with pytest.raises(InputError, match=r"rows differ in guidance.lr, guidance.schedule; .*--axis"):
        find_sweep(plan)
    with pytest.raises(NothingToDraw, match=r"every row has overlap = 15; .* such as guidance.lr"):
        find_sweep(plan, "overlap")
    with pytest.raises(NothingToDraw, match="no axis"):
        find_sweep(planned(rows=(TRUTH, BLIND)))
