"""Figures say what the table says: positions are read back from the axes, words from the figure."""

import itertools
import shutil
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text

from gesturebench.benchmarks.grid import Row
from gesturebench.benchmarks.state import RunStore
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from gesturebench.results.figure_axis import axis_figure
from gesturebench.results.figure_curves import curve_figure, thinned
from gesturebench.results.figure_intervals import interval_figure
from gesturebench.results.figure_ranks import levels, losses_of, rank_figure
from gesturebench.results.figure_scale import limits
from gesturebench.results.figure_style import FORMATS, NothingToDraw, figure_bytes, house_style, save_figure, wrapped
from gesturebench.results.figures import KINDS, Wish, checked_wish, draw_figure, figures_for_report
from gesturebench.results.numbers import Sample
from gesturebench.results.printed import printed_in
from gesturebench.results.rank_statistics import Ranking, rank
from gesturebench.results.specs import load_spec
from gesturebench.results.table import build_table
from tests.results.made_up import BLIND, GUIDED, TRUTH, fill, fits, leave_curve, planned, swept

LR = ({"guidance.lr": [0.0, 0.1, 0.2, 0.5]},)


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


def by_lr(cell, key: str) -> float:
    return {"Ground truth": 5.0, "Random clip": 6.0}.get(cell.row.label, 5 + cell.row.values.get("guidance.lr", 0))


def words(figure) -> str:
    return " ".join(" ".join(text.get_text().split()) for text in figure.findobj(Text))


def measured_lines(axes):
    """Lines with a marker at every number."""
    return [line for line in axes.lines if line.get_marker() not in ("None", None, "") and len(line.get_xdata())]


def table_of(plan, store):
    return build_table([plan], store)


def numbers(plan, store, key):
    return {line.label: line.entries[key].number for line in table_of(plan, store).lines}


def test_a_sweep_stands_where_the_table_says(store):
    plan = swept(LR)
    fill(plan, store, by_lr)
    found = numbers(plan, store, "fgd")
    axes = axis_figure(plan, table_of(plan, store), ["fgd"]).axes[0]
    (line,) = measured_lines(axes)
    expected = [found[f"RAG, guidance.lr={x}"] for x in (0.0, 0.1, 0.2, 0.5)]
    assert line.get_xdata() == pytest.approx([0.0, 0.1, 0.2, 0.5])
    assert line.get_ydata() == pytest.approx([n.mean for n in expected])
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    for x, number in zip((0.0, 0.1, 0.2, 0.5), expected, strict=True):
        assert set(np.round(corners[np.isclose(corners[:, 0], x), 1], 9)) == {
            round(number.low, 9),
            round(number.high, 9),
        }


def test_rows_beside_the_axis_are_lines_and_those_far_off_are_told(store):
    plan = swept(LR)
    fill(plan, store, lambda cell, key: 500.0 if cell.row.label == "Random clip" else by_lr(cell, key))
    figure = axis_figure(plan, table_of(plan, store), ["fgd"])
    across = [line.get_ydata()[0] for line in figure.axes[0].lines if line not in measured_lines(figure.axes[0])]
    assert across == [numbers(plan, store, "fgd")["Ground truth"].mean]
    told = numbers(plan, store, "fgd")["Random clip"].mean
    assert f"↑ Random clip {told:.4g}" in words(figure)
    assert max(figure.axes[0].get_ylim()) < 10


def test_the_ground_truth_is_in_view_where_it_is_the_goal(store):
    plan = swept(LR)
    fill(plan, store, lambda cell, key: 50.0 if cell.row.label == "Ground truth" else by_lr(cell, key))
    fgd, bc = axis_figure(plan, table_of(plan, store), ["fgd", "bc"]).axes
    assert max(fgd.get_ylim()) < 10
    assert max(bc.get_ylim()) > 50


def test_a_missing_row_is_a_gap_that_the_caption_names(store):
    plan = swept(LR)
    fill(plan, store, by_lr, without=["RAG, guidance.lr=0.1"])
    figure = axis_figure(plan, table_of(plan, store), ["fgd"])
    first, second = measured_lines(figure.axes[0])
    assert (list(first.get_xdata()), list(second.get_xdata())) == ([0.0], [0.2, 0.5])
    assert "Without a number: RAG, guidance.lr=0.1 (missing)." in words(figure)


def test_named_values_stand_beside_each_other(store):
    plan = swept(({"guidance.schedule": ["all_one", "decreasing"]}, {"guidance.lr": [0.1, 0.2]}))
    fill(plan, store, by_lr)
    figure = axis_figure(plan, table_of(plan, store), ["fgd"], "guidance.schedule")
    left, right = measured_lines(figure.axes[0])
    assert np.round(left.get_xdata()).tolist() == np.round(right.get_xdata()).tolist() == [0, 1]
    assert (left.get_xdata() < right.get_xdata()).all()
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["all_one", "decreasing"]


def test_wide_ranges_of_numbers_are_logarithmic(store):
    plan = swept(({"guidance.lr": [0.001, 0.01, 0.1]},))
    fill(plan, store, by_lr)
    assert axis_figure(plan, table_of(plan, store), ["fgd"]).axes[0].get_xscale() == "log"


def test_published_values_are_open_and_say_what_they_were_measured_on(store):
    plan = swept(LR)
    fill(plan, store, by_lr)
    printed = {("RAG, guidance.lr=0.2", "fgd"): 5.3}
    for figure, at in (
        (axis_figure(plan, table_of(plan, store), ["fgd"], published=printed), (0.2, 5.3)),
        (interval_figure(plan, table_of(plan, store), ["fgd"], published=printed), None),
    ):
        (marker,) = [line for line in figure.axes[0].lines if line.get_markersize() == 7]
        assert marker.get_markerfacecolor() == "none"
        assert at is None or (marker.get_xdata()[0], marker.get_ydata()[0]) == at
        assert "published (on BEAT2)" in words(figure)


def test_a_published_value_takes_the_place_of_a_missing_number(store):
    plan = swept(LR)
    fill(plan, store, by_lr, without=["RAG, guidance.lr=0.1", "RAG, guidance.lr=0.5"])
    printed = {("RAG, guidance.lr=0.1", "fgd"): 5.1, ("RAG, guidance.lr=0.5", "fgd"): 500.0}
    axes = interval_figure(plan, table_of(plan, store), ["fgd"], published=printed).axes[0]
    assert [list(line.get_xdata()) for line in axes.lines if line.get_markersize() == 7] == [[5.1]]
    assert [text.get_text() for text in axes.texts if text.get_style() == "italic"] == ["missing"]
    assert max(axes.get_xlim()) < 10


def test_intervals_stand_where_the_table_says(store):
    plan = swept(LR)
    fill(plan, store, by_lr, without=["RAG, guidance.lr=0.5"])
    figure = interval_figure(plan, table_of(plan, store), ["bc"])
    (axes,) = figure.axes
    labels = [text.get_text() for text in axes.get_yticklabels()]
    place = dict(zip(labels, axes.get_yticks(), strict=True))
    assert sorted(place, key=place.get) == labels == [line.label for line in table_of(plan, store).lines]
    drawn = {(x, y) for line in axes.lines for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)}
    for label, number in numbers(plan, store, "bc").items():
        at = [x for x, y in drawn if y == place[label]]
        assert sorted(at) == (pytest.approx([number.low, number.mean, number.high]) if number else [])
    assert [text.get_text() for text in axes.texts if text.get_style() == "italic"] == ["missing"]


def test_anchors_run_through_the_panel(store):
    plan = swept(LR)
    fill(plan, store, by_lr)
    axes = interval_figure(plan, table_of(plan, store), ["bc"]).axes[0]
    upright = [line.get_xdata()[0] for line in axes.lines if list(line.get_ydata()) == [0, 1]]
    found = numbers(plan, store, "bc")
    assert upright == [found["Ground truth"].mean, found["Random clip"].mean]


def test_caption_and_title_say_what_it_is(store):
    plan = swept(LR)
    fill(plan, store, by_lr)
    leave_curve(fits(plan)[0], store, [{"step": 10, "loss": 1.0}])
    table = table_of(plan, store)
    for figure in (axis_figure(plan, table), interval_figure(plan, table), rank_figure(plan, table)):
        assert "stand-in corpus, not BEAT2" in words(figure)
        assert f"N = 10 clips, 2 seeds; protocol standin ({plan.protocol.hash})" in words(figure).replace("1 to 2", "2")
    assert "stand-in corpus, not BEAT2" in words(curve_figure(plan, store))


def test_names_do_not_touch_and_stay_inside(store):
    long = "A label that names everything which this row changes against all of its neighbours"
    plan = swept(({"retrieval.keep": list(range(1, 13))},), seeds=(0,), metrics=("bc", "l1div"))
    rows = [row.model_copy(update={"label": f"{long}: {i}", "axes": ()}) for i, row in enumerate(plan.grid.rows)]
    plan = planned(rows=tuple(rows), seeds=(0,), metrics=("bc", "l1div"))
    fill(plan, store, lambda cell, key: 1 + int(cell.row.label.split()[-1]) % 5)
    table = table_of(plan, store)
    for figure in (
        interval_figure(plan, table),
        rank_figure(plan, table),
        axis_figure(plan, table, axis="retrieval.keep"),
    ):
        boxes = boxes_of(figure)
        assert len(boxes) > 12
        for one, other in itertools.combinations(boxes, 2):
            assert not (one[1].padded(-1)).overlaps(other[1].padded(-1)), (one[0], other[0])
        width, height = figure.canvas.get_width_height()
        for text, box in boxes:
            assert box.x0 >= 0, text
            assert box.x1 <= width, text
            assert box.y0 >= 0, text
            assert box.y1 <= height, text


def boxes_of(figure):
    """The visible texts with their boxes in pixels."""
    with house_style():
        figure.canvas.draw()
    beyond = {label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in labels_beyond(axis)}
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text not in beyond]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    return [(text, box) for text, box in boxes if box.width > 1]  # what is hidden has a box of one pixel


def labels_beyond(axis):
    """Of ticks that lie outside the view: they exist and are not drawn."""
    low, high = sorted(axis.get_view_interval())
    shown = axis.axes.axison
    ticks = [tick for tick in axis.get_major_ticks() if not (shown and low <= tick.get_loc() <= high)]
    return [label for tick in ticks for label in (tick.label1, tick.label2)]


def test_a_smaller_batch_is_told_below_every_figure(store):
    plan = swept(LR)
    fill(plan, store, by_lr)
    denoiser = next(step for step in fits(plan) if step.label.startswith("denoiser"))
    leave_curve(denoiser, store, [{"step": 10, "loss": 1.0}])
    told = f"{denoiser.label} was trained with half of the configured batch"
    wishes = [Wish(kind) for kind in KINDS if kind not in ("codes", "control")]  # no codebook here, no given pose
    assert not any(told in words(draw_figure(wish, plan, store)) for wish in wishes)
    write_json(denoiser.folder(store.runs) / "record.json", {"kind": "fit", "batch_divisor": 2})
    assert all(told in words(draw_figure(wish, plan, store)) for wish in wishes)


def test_ranks_of_clips_are_where_the_statistics_say(store):
    plan = swept(LR)
    fill(plan, store, by_lr)
    (axes,) = rank_figure(plan, table_of(plan, store), ["bc"]).axes
    samples = samples_of(plan, store, "bc")
    truth = samples.pop("Ground truth")
    del samples["Random clip"]
    expected = rank(losses_of(list(samples.values()), "closer to ground truth", truth))
    found = sorted(line.get_xdata()[0] for line in axes.lines if line.get_gid() == "rank")
    scale = next(line for line in axes.lines if line.get_gid() is None).get_xdata()
    per_rank = (scale[1] - scale[0]) / (len(samples) - 1)
    assert found == pytest.approx([per_rank * (r - 1) for r in sorted(expected.ranks)])
    (cd,) = [line for line in axes.lines if line.get_gid() == "cd"]
    assert np.ptp(cd.get_xdata()) == pytest.approx(min(per_rank * expected.critical_difference, scale[1]))
    assert sum(line.get_gid() == "clique" for line in axes.lines) == len(expected.cliques)


def samples_of(plan, store, key):
    from gesturebench.results.reading import Scores, sample_of, scores_of

    scores = Scores([plan], store, store.states(plan.steps))
    return {row.label: sample_of(scores_of(plan.cells_of(row.label), key, scores), key) for row in plan.grid.rows}


def test_losses_by_hand():
    """Two seeds are averaged; a clip that one row has no value for is left out; closeness is to the same clip."""
    ids = ("a", "b", "c")
    one = Sample(np.zeros(2), np.array([[1.0, 2, 9], [3, 4, 9]]), np.array([[1.0, 1, 1], [1, 1, 0]]), 3, ids)
    two = Sample(np.zeros(1), np.array([[5.0, 6, 7]]), np.ones((1, 3)), 3, ids)
    truth = Sample(np.zeros(1), np.array([[2.0, 10, 0]]), np.ones((1, 3)), 3, ids)
    assert losses_of([one, two], "lower", None).tolist() == [[2, 5], [3, 6]]
    assert losses_of([one, two], "higher", None).tolist() == [[-2, -5], [-3, -6]]
    assert losses_of([one, two], "closer to ground truth", truth).tolist() == [[0, 3], [7, 4]]
    assert losses_of([one, two], "closer to ground truth", None) is None


def test_bars_that_do_not_meet_share_a_level():
    ranks = np.array([1.0, 2, 3, 4, 5])
    assert levels(Ranking(ranks, 9, 0.0, ((0, 1), (1, 2), (3, 4)), 1.0)) == [1, 2, 1]


def test_nothing_to_rank_is_said(store):
    plan = swept(LR)
    fill(plan, store, by_lr)
    with pytest.raises(NothingToDraw, match=r"nothing to rank; expected 3 or more .*FGD has none"):
        rank_figure(plan, table_of(plan, store), ["fgd"])
    few = planned(
        rows=(TRUTH, BLIND, Row(label="a", method="rag_gesture"), Row(label="b", method="rag_gesture", config=GUIDED))
    )
    fill(few, store, by_lr)
    with pytest.raises(NothingToDraw, match="nothing to rank"):
        rank_figure(few, table_of(few, store))


def test_ranks_name_what_they_lack(store):
    plan = swept(LR)
    fill(plan, store, by_lr, without=["RAG, guidance.lr=0.1"])
    figure = rank_figure(plan, table_of(plan, store), ["bc"], "wilcoxon")
    assert "RAG, guidance.lr=0.1 (missing)" in words(figure)
    assert "Wilcoxon's signed ranks with Holm's correction" in words(figure)
    assert not [line for line in figure.axes[0].lines if line.get_gid() == "cd"]


def test_curves_are_those_of_the_artifacts(store):
    plan = swept(LR, seeds=(0, 1))
    denoisers = [step for step in fits(plan) if step.label.startswith("denoiser")]
    curves = [[{"step": 10 * i, "loss": float((i + s) ** -2), "upper": 0.5} for i in range(1, 20)] for s in (0, 1)]
    for step, curve in zip(denoisers, curves, strict=True):
        leave_curve(step, store, curve)
    figure = curve_figure(plan, store)
    (axes,) = figure.axes
    assert axes.get_title() == "denoiser"
    assert axes.get_yscale() == "log"
    assert [list(line.get_ydata()) for line in axes.lines] == [[row["loss"] for row in curve] for curve in curves]
    assert list(axes.lines[0].get_xdata()) == [row["step"] for row in curves[0]]
    assert "Not finished: encoder of fgd (missing)" in words(figure)
    assert curve_figure(plan, store, ["upper"]).axes[0].get_yscale() == "linear"
    with pytest.raises(InputError, match=r"unknown loss 'uper'.*did you mean 'upper'"):
        curve_figure(plan, store, ["uper"])


def test_curves_tell_the_pace_of_their_training(store):
    plan = swept(LR, seeds=(0, 1))
    denoisers = [step for step in fits(plan) if step.label.startswith("denoiser")]
    for speed, step in zip((90.0, 110.0), denoisers, strict=True):
        leave_curve(step, store, [{"step": 10 * k, "loss": 1 + 2.0**-k} for k in range(1, 9)])
        write_json(step.folder(store.runs) / "training.json", {"windows_per_s": speed, "batch": 16})
    told = words(curve_figure(plan, store))
    assert "100 windows/s within 5 % after 800" in told, "the median of both; step 50 times 16"


def test_long_curves_keep_their_extremes():
    values = np.random.default_rng(0).normal(size=5003)
    values[1234], values[4321] = 50, -50
    steps, middle, low, high = thinned(np.arange(5003), values)
    assert len(steps) == len(middle) == 200
    assert (high.max(), low.min(), steps[-1]) == (50, -50, 5002)
    assert (low <= middle).all()
    assert (middle <= high).all()


def test_fits_of_one_component_that_differ_are_told_by_their_rows(store):
    rows = [Row(label=f"{steps} steps", method="rag_gesture", config={"training.steps": steps}) for steps in (10, 20)]
    plan = planned(rows=tuple(rows), seeds=(3,))
    for step in fits(plan):
        leave_curve(step, store, [{"step": 10, "loss": 2.0}, {"step": 20, "loss": 1.0}])
    told = words(curve_figure(plan, store))
    assert "seed 3, 10 steps" in told
    assert "seed 3, 20 steps" in told
    assert "shared by all seeds" in told


def test_a_broken_curve_is_named(store):
    plan = swept(LR)
    leave_curve(fits(plan)[0], store, {"loss": 1})
    with pytest.raises(InputError, match=r"curve.json: not a training curve"):
        curve_figure(plan, store)


def test_nothing_measured_is_said(store):
    plan = swept(LR)
    for draw in (axis_figure, interval_figure):
        with pytest.raises(NothingToDraw, match="no number of fgd, bc is there yet; run the grid first"):
            draw(plan, table_of(plan, store))
    with pytest.raises(NothingToDraw, match="no training curve"):
        curve_figure(plan, store)
    assert figures_for_report(plan, table_of(plan, store), store) == []


def test_unknown_metrics_are_named(store):
    plan = swept(LR)
    with pytest.raises(InputError, match=r"unknown metric 'fgdd'.*did you mean 'fgd'"):
        interval_figure(plan, table_of(plan, store), ["fgdd"])


def test_too_many_rows_for_one_picture(store):
    plan = swept(({"retrieval.keep": list(range(1, 101))},))
    with pytest.raises(NothingToDraw, match="102 rows in one figure; expected at most 80"):
        interval_figure(plan, table_of(plan, store))


def test_equal_results_give_equal_files_and_the_settings_stay(store, tmp_path):
    plan = swept(LR, title="50 % of $x$ & <y>")
    fill(plan, store, by_lr)
    before = dict(matplotlib.rcParams)
    for ending in FORMATS:
        first, second = (figure_bytes(interval_figure(plan, table_of(plan, store)), ending) for _ in range(2))
        assert first == second
    assert dict(matplotlib.rcParams) == before
    save_figure(axis_figure(plan, table_of(plan, store)), tmp_path / "a.svg")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    assert root.tag.endswith("svg")
    text = (tmp_path / "a.svg").read_text()
    assert "nan" not in text.lower().replace("nano", "")
    assert "<dc:date>" not in text
    with pytest.raises(InputError, match=r"unknown ending of --out '.gif'"):
        save_figure(axis_figure(plan, table_of(plan, store)), tmp_path / "a.gif")


def test_the_reader_s_settings_do_not_show(store):
    plan = swept(LR)
    fill(plan, store, by_lr)
    expected = figure_bytes(interval_figure(plan, table_of(plan, store)), ".svg")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "text.usetex": False}):
        assert figure_bytes(interval_figure(plan, table_of(plan, store)), ".svg") == expected


def test_a_report_gets_what_can_be_drawn_as_elements(store):
    plan = swept(LR)
    fill(plan, store, by_lr)
    for step in fits(plan):
        leave_curve(step, store, [{"step": 10, "loss": 2.0}, {"step": 20, "loss": 1.0}])
    found = figures_for_report(plan, table_of(plan, store), store)
    assert [title for title, _ in found] == ["Intervals", "Along guidance.lr", "Ranks", "Training"]
    for _, svg in found:
        assert svg.startswith("<svg")
        ElementTree.fromstring(svg)


def test_figures_of_a_report_are_drawn_from_its_table(store):
    """No score is read a second time."""
    plan = swept(LR)
    fill(plan, store, by_lr)
    table = table_of(plan, store)
    expected = figures_for_report(plan, table, store)
    shutil.rmtree(store.runs / "evaluate")
    assert figures_for_report(plan, table, store) == expected
    assert len(expected) == 3


def test_a_report_passes_on_what_is_broken(store):
    plan = swept(LR)
    fill(plan, store, by_lr)
    leave_curve(fits(plan)[0], store, {"loss": 1})
    with pytest.raises(InputError, match=r"curve.json: not a training curve"):
        figures_for_report(plan, table_of(plan, store), store)


def test_one_seed_and_one_row_is_a_picture(store):
    plan = planned(rows=(Row(label="only", method="rag_gesture"),), seeds=(0,), metrics=("fgd",))
    fill(plan, store, by_lr)
    figure = interval_figure(plan, table_of(plan, store))
    assert "One seed and no values by clip: no intervals." in words(figure)
    assert np.isfinite(figure.axes[0].get_xlim()).all()


def test_a_wish_is_checked():
    with pytest.raises(InputError, match=r"unknown kind of figure 'rank'.*did you mean 'ranks'"):
        checked_wish("demo", "rank")
    with pytest.raises(InputError, match=r"--axis guidance.lr with --kind ranks"):
        checked_wish("demo", "ranks", axis="guidance.lr")
    with pytest.raises(InputError, match=r"unknown test 't'"):
        checked_wish("demo", "ranks", test="t")


def test_published_values_are_those_of_the_grid_s_own_columns():
    """A table with a block of columns for one, two and three frames has one grid for each."""
    spec = load_spec("exges-table2")
    values = [printed_in(spec, grid) for grid in spec.grids]
    assert [{key for _, key in found} for found in values] == [{"mpjpe", "pa_mpjpe"}] * len(spec.grids)
    assert len({found["ExGes", "pa_mpjpe"] for found in values}) == len(spec.grids)
    assert {float(v.value) for v in spec.numbers[0].values if v.method == "ExGes" and v.metric.startswith("PA")} >= {
        found["ExGes", "pa_mpjpe"] for found in values
    }
    with pytest.raises(InputError, match=r"not filled by grid 'demo'; expected one of exges-table2-1"):
        printed_in(spec, "demo")


def test_scales_show_what_competes():
    assert limits([(1.0, 1.0, 1.0)], []) == pytest.approx((0.95, 1.05))
    assert limits([], [(3.0, 2.0, 4.0)]) == pytest.approx((1.88, 4.12))
    assert limits([(0.0, 0.0, 0.0)], []) == (-1.0, 1.0)


def test_ticks_are_told_apart(store):
    plan = swept(LR)
    fill(plan, store, lambda cell, key: 1100 + cell.row.values.get("guidance.lr", 0) / 100)
    figure = interval_figure(plan, table_of(plan, store), ["bc"])
    with house_style():
        figure.canvas.draw()
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert len(set(ticks)) == len(ticks) > 2


def test_words_are_wrapped_to_a_width():
    lines = wrapped("one two supercalifragilisticexpialidocious three", 0.5, 8)
    assert "".join(lines).replace(" ", "") == "onetwosupercalifragilisticexpialidociousthree"
    assert len(lines) > 3
    assert wrapped("", 1, 8) == [""]
