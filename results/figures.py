"""The figures of a grid by kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.state import RunStore, StepState
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.results.entry import Table
from gesturebench.results.figure_axis import axis_figure
from gesturebench.results.figure_codes import codes_figure
from gesturebench.results.figure_control import control_figure
from gesturebench.results.figure_curves import curve_figure
from gesturebench.results.figure_intervals import interval_figure
from gesturebench.results.figure_ranks import rank_figure
from gesturebench.results.figure_style import NothingToDraw, figure_bytes
from gesturebench.results.figure_sweep import axes_of
from gesturebench.results.printed import Printed, printed_in
from gesturebench.results.rank_statistics import TESTS, Test
from gesturebench.results.specs import load_spec
from gesturebench.results.table import build_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["axis", "interval", "ranks", "curves", "codes", "control"]
"""`axis`: metrics along an axis of the grid; `interval`: every row with its interval; `ranks`: critical-difference
diagrams; `curves`: training losses; `codes`: codebooks of trained codecs; `control`: errors around given poses."""
KINDS: tuple[Kind, ...] = ("axis", "interval", "ranks", "curves", "codes", "control")


@dataclass(frozen=True)
class Wish:
    """What of a grid to draw: `metrics` (names or column keys; for curves names of losses; none: all, or the loss),
    `axis` a dotted key (None: the only one), `test` of the ranks, `published` values to put beside ours."""

    kind: Kind = "interval"
    metrics: tuple[str, ...] = ()
    axis: str | None = None
    test: Test = "nemenyi"
    published: Printed | None = None


def checked_wish(
    grid: str,
    kind: str,
    metrics: tuple[str, ...] = (),
    axis: str | None = None,
    test: str | None = None,
    published: str | None = None,
) -> Wish:
    """What the command line says; `published` names a table that `grid` fills. Options that the kind of figure does not
    have are refused."""
    if kind not in KINDS:
        raise unknown_name("kind of figure", kind, KINDS)
    _refuse_others("--metric", " ".join(metrics) or None, kind, tuple(other for other in KINDS if other != "codes"))
    _refuse_others("--axis", axis, kind, ("axis",))
    _refuse_others("--test", test, kind, ("ranks",))
    _refuse_others("--published", published, kind, ("axis", "interval"))
    if test is not None and test not in TESTS:
        raise unknown_name("test", test, TESTS)
    return Wish(kind, metrics, axis, test or "nemenyi", printed_in(load_spec(published), grid) if published else None)


def _refuse_others(option: str, value: str | None, kind: str, kinds: tuple[Kind, ...]) -> None:
    if value is not None and kind not in kinds:
        raise InputError(
            f"{option} {value} with --kind {kind}",
            expected=f"it with --kind {' or '.join(kinds)}",
            remedy="leave it out",
        )


def draw_figure(wish: Wish, plan: Plan, store: RunStore, states: Mapping[str, StepState] | None = None) -> "Figure":
    """The figure; `states` of the plan's steps by key, where more is known than the store's files say. Rows that are
    not there yet are gaps that the caption names."""
    if wish.kind == "curves":
        return curve_figure(plan, store, wish.metrics, states)
    if wish.kind == "codes":
        return codes_figure(plan, store, states)
    if wish.kind == "control":
        return control_figure(plan, build_table([plan], store, states), store, wish.metrics, states)
    kinds = {
        "axis": partial(axis_figure, axis=wish.axis, published=wish.published),
        "interval": partial(interval_figure, published=wish.published),
        "ranks": partial(rank_figure, test=wish.test),
    }
    return kinds[wish.kind](plan, build_table([plan], store, states), wish.metrics)


def figures_for_report(
    plan: Plan, table: Table, store: RunStore, states: Mapping[str, StepState] | None = None
) -> list[tuple[str, str]]:
    """Title and SVG element of every figure that there is something to draw for, ready to stand in an HTML page;
    `table` is that of the plan."""
    drawings = [("Intervals", partial(interval_figure, plan, table))]
    drawings += [(f"Along {axis}", partial(axis_figure, plan, table, axis=axis)) for axis in own_axes(plan)]
    drawings += [("Around given poses", partial(control_figure, plan, table, store, states=states))]
    drawings += [("Ranks", partial(rank_figure, plan, table))]
    drawings += [("Training", partial(curve_figure, plan, store, states=states))]
    drawings += [("Codebooks", partial(codes_figure, plan, store, states=states))]
    found = []
    for title, draw in drawings:
        try:
            found.append((title, svg_of(draw())))
        except NothingToDraw:
            continue  # a figure that does not exist for this grid, or not yet
    return found


def own_axes(plan: Plan) -> Sequence[str]:
    """Those that the grid declares; what else differs between rows is drawn when asked for."""
    return axes_of(plan) if any(row.values for row in plan.grid.rows) else []


def svg_of(figure: "Figure") -> str:
    """The `<svg>` element alone, without the prologue of a file."""
    text = figure_bytes(figure, ".svg").decode("utf-8")
    return text[text.index("<svg") :]
