"""Numbers that papers printed: facts with their table, their scale and where they were read, in `published/*.csv`.

Values stand there as printed; raw = value x unit scale. What is no number (`yes`, or a scale that nobody stated) stays
text.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path

from gesturebench.common.errors import unknown_name
from gesturebench.evaluators.base import Direction

FOLDER = Path(__file__).parent / "published"

_DIRECTIONS: dict[str, Direction] = {
    "lower": "lower",
    "higher": "higher",
    "closer_to_gt": "closer to ground truth",
    "closer_to_real (printed: higher)": "closer to ground truth",
}


@dataclass(frozen=True)
class Published:
    """One printed value; `unit_scale` is None where it was not stated or is no factor, `direction` for a target."""

    table: str
    method: str
    dataset: str
    metric: str
    direction: Direction | None
    unit_scale: Decimal | None
    text: str
    interval: str
    source: str
    is_secondary: bool

    @property
    def value(self) -> Decimal | None:
        """As printed."""
        return _number(self.text)

    @property
    def raw(self) -> Decimal | None:
        return None if self.value is None or self.unit_scale is None else self.value * self.unit_scale

    @property
    def decimals(self) -> int:
        """Printed after the point."""
        return 0 if self.value is None else max(0, -int(self.value.as_tuple().exponent))

    def printed(self, scale: Decimal | None) -> str:
        """In the scale of a column (printed = raw x scale), with the digits that the paper gave; as it stands where
        there is nothing to convert.

        >>> value = read("beat2").find("PlanTalk list", "EMAGE", "BC")
        >>> value.text, value.printed(Decimal(10))
        ('0.772', '7.72')
        """
        interval = f" ±{self.interval}" if self.interval else ""
        if scale is None or self.raw is None or self.unit_scale * scale == 1:
            return self.text + interval
        shift = (self.unit_scale * scale).adjusted()
        return f"{self.raw * scale:.{max(0, self.decimals - shift)}f}{interval}"


def _number(text: str) -> Decimal | None:
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


@dataclass(frozen=True)
class Numbers:
    """The values of one file."""

    name: str
    values: tuple[Published, ...]

    def of(self, table: str, dataset: str = "") -> "Numbers":
        """Those of one table, of one data set where it has several."""
        tables = dict.fromkeys(value.table for value in self.values)
        if table not in tables:
            raise unknown_name(f"table of published/{self.name}.csv", table, tables)
        return Numbers(self.name, tuple(v for v in self.values if v.table == table and dataset in ("", v.dataset)))

    def find(self, table: str, method: str, metric: str) -> Published | None:
        return next((v for v in self.values if (v.table, v.method, v.metric) == (table, method, metric)), None)

    @property
    def methods(self) -> tuple[str, ...]:
        return _unique(value.method for value in self.values)

    @property
    def metrics(self) -> tuple[str, ...]:
        return _unique(value.metric for value in self.values)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def published_names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.csv"))


@cache
def read(name: str) -> Numbers:
    """The values of `published/<name>.csv`; lines that only say that numbers could not be had are left out."""
    if name not in published_names():
        raise unknown_name("file of published numbers", name, published_names())
    with open(FOLDER / f"{name}.csv", encoding="utf-8", newline="") as file:
        return Numbers(name, tuple(_published(line) for line in csv.DictReader(file) if line["value"]))


def _published(line: dict[str, str]) -> Published:
    return Published(
        line["table"], line["method"], line["dataset"], line["metric"], _DIRECTIONS.get(line["direction"]),
        _number(line["unit_scale"]), line["value"], line.get("ci95") or "", line["source"],
        line.get("status") == "secondary",
    )  # fmt: skip


def scale_of(values: Sequence[Published]) -> Decimal | None:
    """The factor from raw to printed of a column: that of its first value that has one."""
    return next((1 / v.unit_scale for v in values if v.raw is not None), None)
