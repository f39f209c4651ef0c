"""The retrieval report of a clip as a timeline: words, what is asked for, and the retrieved gestures where they go.

Ten seconds are one strip. From top to bottom: the words, the query points, and the gestures of even and odd windows,
which overlap in time. A line leads from a query point to its gesture; a cross is a point without one.
"""

from collections.abc import Iterator, Mapping
from itertools import cycle
from math import ceil
from typing import TYPE_CHECKING, Any

from gesturebench.results.figure_style import (
    COLOURS,
    FAINT,
    INK,
    SOFT,
    Grid,
    Key,
    house_style,
    sheet,
    text_width,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRIP_S, INCHES_PER_S = 10.0, 0.82
TINY = 5.5
"""Points of what stands inside a gesture's block."""
WORDS, ASKED, LANES, LOW = 3.55, 2.72, (1.75, 0.7), 0.1
"""Heights of the lanes in a strip, which is four units high."""
BLOCK, BOX = 0.82, 0.3

Report = Mapping[str, Any]


def timeline(label: str, report: Report) -> "Figure":
    """A sheet with one panel per strip."""
    strips = max(1, ceil(report["duration_s"] / STRIP_S - 1e-9))
    colours = _colours(report)
    keys = [Key(kind, {"color": colour, "linewidth": 5}) for kind, colour in colours.items()]
    with house_style():
        title = f"{report['clip']}, {label}: what is retrieved ({report['strategy']}, seed {report['seed']})"
        panels = sheet(title, _caption(report), Grid(strips, 1, STRIP_S * INCHES_PER_S, 1.6, 0.1), keys)
        for number, panel in enumerate(panels):
            _strip(panel, report, colours, number * STRIP_S)
    return panels[0].figure.figure


def _caption(report: Report) -> str:
    points = [point for _, point in _points(report)]
    placed = sum(point["placed"] is not None for point in points)
    return (
        f"Seconds of the clip. {placed} of {len(points)} query points placed. Below the words what is asked for, in "
        "the colour of its kind; blocks are slots that take over a retrieved gesture: what was found, its clip and "
        "second, its score. Dotted lines are starts of windows; neighbouring windows overlap and have a row of blocks "
        "each."
    )


def _colours(report: Report) -> dict[str, str]:
    """By kind, in the order of appearance."""
    kinds = dict.fromkeys(point["kind"] for _, point in _points(report))
    return dict(zip(kinds, cycle(COLOURS[:6])))


def _points(report: Report) -> Iterator[tuple[int, Report]]:
    """Points with the number of their window."""
    return ((number, point) for number, window in enumerate(report["windows"]) for point in window["points"])


def _strip(panel: "Axes", report: Report, colours: Mapping[str, str], start: float) -> None:
    end = start + STRIP_S
    panel.set(xlim=(start, end), ylim=(0, 4), yticks=[])
    panel.spines["left"].set_visible(False)
    panel.set_xticks([start + k for k in range(int(STRIP_S) + 1)])
    if end > report["duration_s"]:
        panel.axvspan(max(start, report["duration_s"]), end, color=FAINT, alpha=0.6, lw=0)
    for window in report["windows"]:
        if start <= window["start_s"] < end:
            panel.axvline(window["start_s"], color=SOFT, lw=0.8, ls=":")
    for number, (word, first, last) in enumerate(report["words"]):
        if first < end and last > start:
            _word(panel, word, max(first, start), number)
    for number, point in _points(report):
        _point(panel, number, point, colours[point["kind"]], (start, end))


def _word(panel: "Axes", word: str, at: float, number: int) -> None:
    """Neighbours stand on two heights, so that short words do not collide."""
    panel.text(at, WORDS + 0.24 * (number % 2), word, fontsize=TINY, color=INK, va="center", clip_on=True)


def _point(panel: "Axes", number: int, point: Report, colour: str, strip: tuple[float, float]) -> None:
    start, end = strip
    if point["start_s"] < end and point["end_s"] > start:
        panel.broken_barh([(point["start_s"], point["end_s"] - point["start_s"])], (ASKED, BOX), color=colour, lw=0)
        panel.text(
            max(point["start_s"], start), ASKED + BOX + 0.13, _short(point["word"], 0.9), fontsize=TINY, color=colour,
            va="center", fontweight="bold", clip_on=True,
        )  # fmt: skip
    if point["placed"]:
        _gesture(panel, LANES[number % 2], point, colour, strip)
    elif start <= point["start_s"] < end:
        panel.plot(point["start_s"], ASKED - 0.25, marker="x", color=SOFT, markersize=4)
        panel.text(
            point["start_s"] + 0.1, ASKED - 0.27, point["dropped"], fontsize=TINY, color=SOFT, va="center", clip_on=True
        )


def _gesture(panel: "Axes", low: float, point: Report, colour: str, strip: tuple[float, float]) -> None:
    placed, found = point["placed"], point["found"]
    first, last = max(placed["start_s"], strip[0]), min(placed["end_s"], strip[1])
    if first >= last:
        return
    panel.broken_barh(
        [(first, last - first)], (low, BLOCK), facecolor=_pale(colour), edgecolor=colour, lw=0.8, clip_on=True
    )
    middle = (point["start_s"] + point["end_s"]) / 2
    target = min(max(middle, first), last)
    if strip[0] <= middle < strip[1]:
        panel.plot([middle, target], [ASKED, low + BLOCK], color=colour, lw=0.7)
    score = f"score {found['score']:.2f}" if point["ranked"] else "control"
    lines = (found["what"], f"{found['clip']} at {found['start_s']:.1f} s", score)
    inches = (last - first) * INCHES_PER_S - 0.08
    for row, text in enumerate(lines):
        height = low + BLOCK - 0.15 - 0.26 * row
        panel.text(first + 0.04, height, _short(text, inches), fontsize=TINY, color=INK, va="center", clip_on=True)


def _pale(colour: str) -> tuple[float, float, float]:
    """The colour mixed with four parts of white."""
    return tuple(0.8 + 0.2 * int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))


def _short(text: str, inches: float) -> str:
    """As much of a text as fits, with an ellipsis where something is missing."""
    if text_width(text, TINY) <= inches:
        return text
    while text and text_width(f"{text}…", TINY) > inches:
        text = text[:-1]
    return f"{text}…" if text else ""
