"""What all figures share: one style that reads in grey and for the colour-blind, one sheet with the caption below, and
files whose bytes depend on the numbers alone."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.files import writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".svg", ".pdf", ".png")
"""Endings of a figure's file."""

INK, SOFT, FAINT = "#000000", "#555555", "#dddddd"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette. Markers and strokes differ as well, so that lines are told apart in grey."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STROKES = ("-", "--", "-.", ":", (0, (6, 1.5)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)))

TEXT, SMALL = 7.5, 6.5
"""Points: axes and labels; caption and tick labels."""
DASHES = ((0, (4, 2)), (0, (1, 1.5)), (0, (6, 1.5, 1, 1.5)), (0, (2, 1)))
"""Strokes of lines that are there for comparison, in grey."""
CLEAR = {"color": "white", "pad": 0.5}
"""What lies behind words in a panel, so that no line runs through them."""
_STYLE = {
    "font.size": TEXT,
    "font.family": "DejaVu Sans",  # comes with matplotlib: equal pictures on every machine
    "axes.titlesize": 8.5,
    "axes.labelsize": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": TEXT,
    "legend.fontsize": TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.edgecolor": SOFT,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "text.parse_math": False,  # a row may be called "$5"
    "text.hinting": "none",  # widths as measured, at every resolution
    "svg.fonttype": "path",
    "svg.hashsalt": "gesturebench",
    "pdf.fonttype": 42,
    "savefig.facecolor": "white",
    "savefig.dpi": 200,
}
_METADATA = {
    ".svg": {"Date": None, "Creator": "gesturebench"},
    ".pdf": {"CreationDate": None, "Creator": "gesturebench", "Producer": None},
    ".png": {"Software": None},
}


class NothingToDraw(InputError):
    """The results hold nothing of what the figure is to show, or more than a figure can."""


def refuse_crowd(what: str, count: int, most: int) -> None:
    if count > most:
        raise NothingToDraw(f"{count} {what} in one figure", expected=f"at most {most}", remedy="draw a smaller grid")


def look(number: int) -> dict[str, object]:
    """Colour, marker and stroke of the n-th line; no two of the first 49 are alike in grey."""
    turn, place = divmod(number, len(COLOURS))
    return {
        "color": COLOURS[place],
        "marker": MARKERS[(place + turn) % len(MARKERS)],
        "linestyle": STROKES[(place + 2 * turn) % len(STROKES)],
    }


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """matplotlib's own defaults and ours on top while the block runs; the settings of whoever calls come back."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def figure_bytes(figure: "Figure", ending: str) -> bytes:
    """The file of a figure; equal figures give equal bytes. `ending` is one of FORMATS."""
    out = io.BytesIO()
    with house_style():
        _settle(figure)
        figure.savefig(out, format=ending.removeprefix("."), metadata=_METADATA[ending])
    return out.getvalue()


def _settle(figure: "Figure") -> None:
    """Lay out once and round: the solver's last digits differ from call to call, and an SVG's names come from them."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position([round(bound, 6) for bound in axes.get_position().bounds])


def save_figure(figure: "Figure", path: Path) -> None:
    data = figure_bytes(figure, checked_ending(path))
    with writing(path) as part:
        part.write_bytes(data)


def checked_ending(path: Path) -> str:
    if path.suffix.lower() not in FORMATS:
        raise unknown_name("ending of --out", path.suffix, FORMATS)
    return path.suffix.lower()


@dataclass(frozen=True)
class Key:
    """One entry of a legend: a label, and the properties of the line that stands for it."""

    label: str
    look: dict[str, object]


@dataclass(frozen=True)
class Grid:
    """Panels of a sheet: how many there are and in how many columns, inches of each, and `names`, inches for what
    stands to the left of a row of panels."""

    panels: int
    columns: int
    width: float
    height: float
    names: float = 0.45

    @property
    def rows(self) -> int:
        return -(-self.panels // self.columns)


_MARGIN, _LINE, _KEY_LINE, _HANDLE = 0.08, 0.13, 0.19, 0.55
"""Inches: around the text, a line of the caption, a line of the legend, a legend's handle."""
NARROWEST = 4.0
_ROUNDING = 1.02
"""Glyphs are set on whole pixels."""


def sheet(title: str, caption: str, grid: Grid, keys: Sequence[Key] = (), share_y: bool = False) -> "list[Axes]":
    """Empty panels under a title; legend and caption lie below them in a strip of their own, so that nothing overlaps.
    The figure is the panels' `figure`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = max(NARROWEST, grid.names + grid.columns * grid.width)
    told, heads = wrapped(caption, width - 2 * _MARGIN, SMALL), wrapped(title, width - 2 * _MARGIN, 9.5)
    per_line = _keys_per_line(keys, width)
    key_lines = -(-len(keys) // per_line) if keys else 0
    foot = 2 * _MARGIN + _KEY_LINE * key_lines + _LINE * len(told)
    body = grid.rows * grid.height + 0.2 * len(heads) + 0.1
    figure = Figure(figsize=(width, body + foot), layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.05)
    above, below = figure.subfigures(2, 1, height_ratios=(body, foot))
    above.suptitle("\n".join(heads), fontsize=9.5, x=_MARGIN / width, ha="left")
    below.text(
        _MARGIN / width, _MARGIN / foot, "\n".join(told), fontsize=SMALL, color=SOFT, va="bottom", linespacing=1.3
    )
    if keys:
        _legend(below, keys, per_line)
    return _panels(above, grid, share_y)


def _panels(above, grid: Grid, share_y: bool) -> "list[Axes]":
    places = above.add_gridspec(grid.rows, grid.columns)
    panels: list[Axes] = []
    for place in range(grid.panels):
        leader = panels[place - place % grid.columns] if share_y and place % grid.columns else None
        panels.append(above.add_subplot(places[divmod(place, grid.columns)], sharey=leader))
    return panels


def _keys_per_line(keys: Sequence[Key], width: float) -> int:
    longest = max((text_width(key.label, TEXT) for key in keys), default=0) + _HANDLE
    return max(1, min(len(keys), int((width - 2 * _MARGIN) / longest)))


def _legend(below, keys: Sequence[Key], per_line: int) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], **key.look) for key in keys]
    below.legend(
        handles, [key.label for key in keys], loc="upper left", ncols=per_line, frameon=False, borderaxespad=0.2,
        handlelength=2.6, columnspacing=1.2, labelspacing=0.3,
    )  # fmt: skip


@cache
def text_width(text: str, points: float) -> float:
    """Inches of one line of text in the font of the style."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=_STYLE["font.family"], size=points)
    return _ROUNDING * text_to_path.get_text_width_height_descent(text, font, False)[0] / 72


def wrapped(text: str, width: float, points: float) -> list[str]:
    """Lines of at most `width` inches; a word that is longer alone is cut."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, points) <= width:
            lines[-1] = longer
            continue
        pieces = _cut(word, width, points)
        lines += pieces if lines[-1] else [pieces[0], *pieces[1:]]
    return [line for line in lines if line] or [""]


def _cut(word: str, width: float, points: float) -> list[str]:
    pieces = [""]
    for character in word:
        if pieces[-1] and text_width(pieces[-1] + character, points) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


def plain(value: float) -> str:
    """A number as tick labels show it; no powers of ten in mathematical type.

    >>> plain(0.05), plain(200000)
    ('0.05', '2e+05')
    """
    return f"{value:.4g}"
