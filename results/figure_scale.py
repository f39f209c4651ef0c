"""How far an axis reaches: all that competes, and of what only stands beside it as much as does not squash it."""

from collections.abc import Sequence

from gesturebench.results.figure_style import plain
from gesturebench.results.numbers import Number

_REACH, _ROOM = 1.0, 0.06
"""Of the span of what competes: how far beyond it something else may lie and still be shown; room at the edges."""

Ends = tuple[float, float, float]
"""Mean, lower and upper limit."""


def limits(core: Sequence[Ends], beside: Sequence[Ends]) -> tuple[float, float]:
    """The ends of an axis that shows all of `core` and what of `beside` has its mean near it.

    >>> limits([(1.5, 1.0, 2.0)], [(2.5, 2.3, 2.7), (90.0, 80.0, 100.0)])
    (0.898, 2.802)
    """
    shown = [x for found in core or beside for x in found]
    low, high = min(shown), max(shown)
    reach = _REACH * (high - low) or float("inf")
    near = [x for found in beside if low - reach <= found[0] <= high + reach for x in found]
    low, high = min([low, *near]), max([high, *near])
    room = _ROOM * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def ends(number: Number) -> Ends:
    """Mean and the limits of the interval; the mean thrice where there is none."""
    return (
        (number.mean, number.mean, number.mean) if number.interval == "none" else (number.mean, number.low, number.high)
    )


def tick_words(axis) -> None:
    """Plain numbers at the ticks, without powers of ten in mathematical type or offsets."""
    from matplotlib.ticker import Formatter, NullFormatter

    class Plain(Formatter):
        def __call__(self, value, position=None):
            return plain(value)

        def format_ticks(self, values):
            return distinct(values)

    axis.set_major_formatter(Plain())
    axis.set_minor_formatter(NullFormatter())


def distinct(values: Sequence[float]) -> list[str]:
    """With as many digits as tell them apart, four at least.

    >>> distinct([0.5, 1.0]), distinct([110.15, 110.2, 110.25])
    (['0.5', '1'], ['110.15', '110.2', '110.25'])
    """
    for digits in range(4, 15):
        words = [f"{value:.{digits}g}" for value in values]
        if len(set(words)) == len(words):
            break
    return words
