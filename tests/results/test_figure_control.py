"""Errors around given poses: the figure shows what the scores hold, with the intervals of tables."""

import numpy as np
import pytest

from gesturebench.benchmarks.grid import Row
from gesturebench.benchmarks.state import RunStore
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from gesturebench.results.figure_control import by_distance, chosen_errors, control_figure
from gesturebench.results.figure_style import NothingToDraw
from gesturebench.results.figures import Wish, checked_wish, draw_figure, figures_for_report
from gesturebench.results.table import build_table
from tests.results.made_up import CLIPS, planned

ROWS = (
    Row(label="Truth", method="ground_truth", group="anchor", seeds=(0,)),
    Row(label="Codecs", method="reconstruction", group="anchor", seeds=(0,)),
    Row(label="Near", method="emage"),
    Row(label="Blind", method="emage", given=False, group="control"),
)
DISTANCES = ("at_control", "1_to_5_frames", "6_to_15_frames")
"""Three poses leave no frame farther away."""


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


def plan(**grid):
    return planned(**{"protocol": "exges-control-3", "metrics": ("mpjpe",), "rows": ROWS} | grid)


def error(label: str, place: int) -> float:
    return {"Truth": 0.0, "Codecs": 30.0, "Near": 40.0 + 10 * place, "Blind": 65.0}[label]


def fill(made, store, without=()):
    for cell in made.cells:
        if cell.row.label in without:
            continue
        rng = np.random.default_rng(cell.seed)
        values = {}
        for ending in ("", "_body"):
            for name in ("mpjpe", "pa_mpjpe"):
                values[f"{name}{ending}"] = error(cell.row.label, 2) + rng.normal(size=CLIPS)
                for place, distance in enumerate(DISTANCES):
                    values[f"{name}_{distance}{ending}"] = error(cell.row.label, place) + rng.normal(size=CLIPS)
        step = cell.evaluate["mpjpe"]
        units = {
            f"clip{i}/0": {key: float(x[i]) for key, x in values.items()} | {f"{key}_n": 1.0 for key in values}
            for i in range(CLIPS)
        }
        totals = {key: float(x.mean()) for key, x in values.items()}
        write_json(
            step.folder(store.runs) / "per_clip.json", {key: {**row, "frames": 64} for key, row in units.items()}
        )
        write_json(step.folder(store.runs) / "record.json", {"metrics": {**totals, "n": CLIPS}, "clips": CLIPS})


def drawn(made, store, *metrics):
    return draw_figure(Wish("control", metrics), made, store)


def test_lines_go_through_the_means_of_the_scores(store):
    made = plan()
    fill(made, store)
    found = by_distance(made, store, chosen_errors(made))
    axes, other = drawn(made, store).axes
    assert (axes.get_title(), other.get_title()) == ("MPJPE ↓", "PA-MPJPE ↓")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["given", "1 to 5", "6 to 15"]
    codecs, near, blind = axes.lines
    assert codecs.get_linestyle() != "-"
    assert near.get_ydata() == pytest.approx([found["Near", "mpjpe", d].mean for d in DISTANCES])
    assert blind.get_ydata() == pytest.approx([found["Blind", "mpjpe", d].mean for d in DISTANCES])
    assert near.get_ydata() == pytest.approx([40, 50, 60], abs=1.5)
    number = found["Near", "mpjpe", "at_control"]
    assert number.interval == "clips"
    assert number.low < number.mean < number.high


def test_the_body_alone_is_drawn_where_it_is_asked_for(store):
    made = plan()
    fill(made, store)
    assert [axes.get_title() for axes in drawn(made, store, "mpjpe_body").axes] == ["MPJPE, body ↓"]
    with pytest.raises(InputError, match="unknown error 'mpjpe_hands'"):
        drawn(made, store, "mpjpe_hands")


def test_rows_that_are_not_done_are_named(store):
    made = plan()
    fill(made, store, without=("Near",))
    figure = drawn(made, store)
    assert len(figure.axes[0].lines) == 2
    words = " ".join(text.get_text() for part in figure.subfigs for text in part.texts)
    assert "Near" in words


@pytest.mark.parametrize("grid", [{}, {"protocol": "standin", "rows": ROWS[:3], "metrics": ("bc",)}])
def test_without_errors_around_poses_there_is_nothing_to_draw(store, grid):
    made = plan(**grid)
    with pytest.raises(NothingToDraw, match="no error around a given pose is there yet"):
        control_figure(made, build_table([made], store), store)


def test_reports_hold_it_and_the_command_line_knows_it(store):
    made = plan()
    fill(made, store)
    titles = [title for title, _ in figures_for_report(made, build_table([made], store), store)]
    assert "Around given poses" in titles
    assert checked_wish("g", "control", ("mpjpe",)) == Wish("control", ("mpjpe",))
