"""The figure of codebooks says what the artifacts say."""

import pytest
from matplotlib.text import Text

from gesturebench.benchmarks.grid import Row
from gesturebench.benchmarks.state import RunStore
from gesturebench.common.codecs.vq_config import QUALITY
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from gesturebench.results.figure_codes import codes_figure
from gesturebench.results.figure_style import NothingToDraw
from gesturebench.results.figures import Wish, checked_wish, draw_figure, figures_for_report
from gesturebench.results.table import build_table
from tests.results.made_up import TRUTH, fits, leave_curve, planned

UPPER = {
    "reconstruction": {"split": "val", "rotation_deg": 4.147, "point_mm": 12.3456},
    "codebook": {"codes": 4, "used": 3, "dead": 1, "perplexity": 2.5, "counts": [1, 0, 6, 3]},
}
GLOBAL = {"reconstruction": {"split": "val", "place_mm": 3.0}}


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def plan():
    return planned(rows=(TRUTH, Row(label="EMAGE", method="emage")))


def leave_quality(plan, store, **found) -> None:
    for step in fits(plan):
        name = step.label.split(" ")[0]
        if name in found:
            leave_curve(step, store, [{"step": 1, "loss": 1.0}])
            write_json(step.folder(store.runs) / QUALITY, found[name])


def words(figure) -> str:
    return " ".join(" ".join(text.get_text().split()) for text in figure.findobj(Text))


def test_bars_are_shares_of_frames_most_frequent_first(plan, store):
    leave_quality(plan, store, vq_upper=UPPER, global_motion=GLOBAL)
    figure = codes_figure(plan, store)
    (axes,) = figure.axes
    assert axes.get_title() == "vq_upper"
    assert [bar.get_height() for bar in axes.patches] == [60, 30, 10, 0]
    assert "3 of 4 used, 1 dead perplexity 2.5 val: 4.15 deg, 12.3 mm" in words(figure)


def test_nothing_trained_is_nothing_to_draw(plan, store):
    leave_quality(plan, store, global_motion=GLOBAL)
    with pytest.raises(NothingToDraw, match="no trained codebook"):
        codes_figure(plan, store)


def test_a_smaller_batch_is_told(plan, store):
    leave_quality(plan, store, vq_upper=UPPER)
    upper = next(step for step in fits(plan) if step.label.startswith("vq_upper"))
    write_json(upper.folder(store.runs) / "record.json", {"kind": "fit", "batch_divisor": 2})
    told = words(draw_figure(Wish("codes"), plan, store))
    assert f"{upper.label} was trained with half of the configured batch" in told


def test_the_report_has_it_where_there_are_codes(plan, store):
    def titles() -> list[str]:
        return [title for title, _ in figures_for_report(plan, build_table([plan], store), store)]

    assert "Codebooks" not in titles()
    leave_quality(plan, store, vq_upper=UPPER)
    assert "Codebooks" in titles()


def test_metrics_are_refused():
    with pytest.raises(InputError, match=r"--metric fgd with --kind codes"):
        checked_wish("demo", "codes", ("fgd",))
