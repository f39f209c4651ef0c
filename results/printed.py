"""What a paper printed, as figures show it beside what was measured."""

from collections.abc import Mapping

from gesturebench.common.errors import InputError
from gesturebench.results.figure_style import SOFT, Key
from gesturebench.results.specs import TableSpec

Printed = Mapping[tuple[str, str], float]
"""Published values by row label and column key, in the column's own unit."""

PUBLISHED = {"color": SOFT, "marker": "o", "markerfacecolor": "none", "linestyle": "", "markersize": 7}


def printed_in(spec: TableSpec, grid: str) -> Printed:
    """The values of a published table that stand beside a row and a column of one of its grids."""
    if grid not in spec.grids:
        raise InputError(
            f"{spec.title!r} is not filled by grid {grid!r}",
            expected=f"one of {', '.join(spec.grids)}" if spec.grids else "another table",
            remedy="see `gesturebench reproduce --list`",
        )
    number = spec.grids.index(grid)
    return {
        (row.own_label, column.ours): value
        for row in spec.rows
        for column in spec.columns
        if column.ours and column.grid == number and (value := spec.in_our_unit(row, column)) is not None
    }


def published_key(is_standin: bool) -> Key:
    """On the stand-in, the legend says what the published numbers were measured on."""
    return Key("published (on BEAT2)" if is_standin else "published", PUBLISHED)
