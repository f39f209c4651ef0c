"""Specs of published tables: which of their numbers stand beside which of ours, as YAML in `tables/`."""

from functools import cached_property
from pathlib import Path

from pydantic import Field

from gesturebench.benchmarks.grid import Grid
from gesturebench.benchmarks.yaml_file import read_mapping
from gesturebench.common.config import Config
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.evaluators.base import Direction
from gesturebench.results.published import Numbers, Published, read, scale_of

TABLES = Path(__file__).parent / "tables"


class Source(Config):
    """A table of a file of published numbers; `dataset` where it was measured on several."""

    file: str
    table: str
    dataset: str = ""


class ColumnSpec(Config):
    """A column of the paper and of ours.

    `published` is the paper's name of the metric ("" for one that the paper does not have), `ours` the key of a column
    of our metrics ("" where nothing of ours measures it), `grid` the number of the spec's grid that measures it (0 the
    first). What is not given is taken from the published numbers: `heading`, `scale` (printed = our raw value x scale),
    `decimals` and `direction`.
    """

    published: str = ""
    ours: str = ""
    grid: int = Field(0, ge=0)
    heading: str = ""
    scale: float | None = Field(None, gt=0)
    decimals: int | None = Field(None, ge=0, le=12)
    direction: Direction | None = None


class RowSpec(Config):
    """A row of the paper and of ours: the method's name there, and the row's label in the grid where that is another;
    one that the grid does not have is not available.

    `source` is the number of the spec's source that has it (0 the first), `label` what is printed (default: the
    paper's name).
    """

    published: str = ""
    ours: str = ""
    source: int = Field(0, ge=0)
    label: str = ""

    @property
    def name(self) -> str:
        return self.label or self.published or self.ours

    @property
    def own_label(self) -> str:
        return self.ours or self.published


class TableSpec(Config):
    """A published table: `published` numbers, the `grids` that fill our side (none, with the reason in `awaits`),
    columns, rows, the row that the others are compared with, and what is odd about the printed numbers."""

    paper: str
    table: str
    caption: str
    published: tuple[Source, ...] = ()
    grids: tuple[str, ...] = ()
    awaits: str = ""
    columns: tuple[ColumnSpec, ...]
    rows: tuple[RowSpec, ...]
    baseline: str = ""
    footnotes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"{self.paper}, {self.table}: {self.caption}"

    @cached_property
    def numbers(self) -> tuple[Numbers, ...]:
        """The published numbers of every source."""
        return tuple(read(source.file).of(source.table, source.dataset) for source in self.published)

    def value(self, row: RowSpec, column: ColumnSpec) -> Published | None:
        if not row.published or not column.published:
            return None
        return self.numbers[row.source].find(self.published[row.source].table, row.published, column.published)

    def values(self, column: ColumnSpec) -> list[Published]:
        """Of all rows that have one."""
        return [value for row in self.rows if (value := self.value(row, column)) is not None]

    def printed(self, row: RowSpec, column: ColumnSpec) -> str:
        """A published value in the scale of its column, `-` where there is none."""
        value = self.value(row, column)
        return value.printed(scale_of(self.values(column))) if value else "-"

    def scale(self, column: ColumnSpec) -> float:
        """From our raw value to the printed one."""
        return column.scale or float(scale_of(self.values(column)) or 1)

    def in_our_unit(self, row: RowSpec, column: ColumnSpec) -> float | None:
        """A published value as our metric would give it; None where there is none, or no number."""
        value = self.value(row, column)
        if value is None or value.raw is None:
            return None
        return float(value.raw * scale_of(self.values(column))) / self.scale(column)

    def decimals(self, column: ColumnSpec) -> int:
        """As the paper prints, the most where rows differ."""
        if column.decimals is not None:
            return column.decimals
        return max((v.decimals for v in self.values(column) if v.unit_scale is not None), default=3)

    def direction(self, column: ColumnSpec) -> Direction:
        """As the paper says."""
        stated = (value.direction for value in self.values(column) if value.direction)
        return column.direction or next(stated, "lower")

    def own_baseline(self, grid: Grid) -> str | None:
        """The baseline's label in a grid; None where the grid has no such row."""
        labels = {row.own_label for row in self.rows if self.baseline and self.baseline == row.name}
        return next((row.label for row in grid.rows if row.label in labels), None)


def table_names() -> list[str]:
    return sorted(path.stem for path in TABLES.glob("*.yaml"))


def load_spec(name_or_path: str) -> TableSpec:
    """The spec of a published table by its name, or of a YAML file."""
    path = Path(name_or_path)
    if name_or_path in table_names():
        path = TABLES / f"{name_or_path}.yaml"
    elif path.suffix not in (".yaml", ".yml"):
        raise unknown_name("table", name_or_path, table_names())
    if not path.is_file():
        raise InputError(f"{path}: no such table", expected="a YAML file", remedy="see --list")
    values = read_mapping(
        path,
        expected="a mapping with paper, table, caption, columns and rows",
        remedy="see docs/tables.md",
    )
    for part, kind in (("columns", ColumnSpec), ("rows", RowSpec), ("published", Source)):
        for number, entry in enumerate(values.get(part) or [], start=1):
            if isinstance(entry, dict):
                kind.parse(entry, f"{path.name} {part} {number}")  # a fault names the entry and near matches
    return _checked(TableSpec.parse(values, path.name), path.name)


def _checked(spec: TableSpec, where: str) -> TableSpec:
    """The spec, if every name of the paper's side is one that the published numbers know."""
    if bool(spec.grids) == bool(spec.awaits):
        raise InputError(
            f"{where}: {'both grids and' if spec.grids else 'neither grids nor'} awaits", expected="one of them"
        )
    for row in spec.rows:
        if row.published and row.source >= len(spec.numbers):
            raise InputError(
                f"{where}: row {row.name!r} has source {row.source}", expected=f"below {len(spec.numbers)}"
            )
        if row.published and row.published not in spec.numbers[row.source].methods:
            raise unknown_name(f"row of {where}", row.published, spec.numbers[row.source].methods)
    metrics = {metric for numbers in spec.numbers for metric in numbers.metrics}
    for column in spec.columns:
        if column.grid >= max(1, len(spec.grids)):
            raise InputError(f"{where}: column {column} has grid {column.grid}", expected=f"below {len(spec.grids)}")
        if column.published and column.published not in metrics:
            raise unknown_name(f"column of {where}", column.published, metrics)
    if spec.baseline and spec.baseline not in [row.name for row in spec.rows]:
        raise unknown_name(f"baseline of {where}", spec.baseline, [row.name for row in spec.rows])
    return spec
