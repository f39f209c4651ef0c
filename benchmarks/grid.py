"""Grids: a paper's table or an ablation, as YAML."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from gesturebench.common.config import Config
from gesturebench.common.errors import InputError, unknown_name

GRIDS = Path(__file__).parent / "grids"

Group = Literal["anchor", "method", "control"]
"""`anchor` rows bound the scale (ground truth, reconstruction, a random clip), `control` rows show what an effect is
not due to. Rows whose query is `oracle` are set apart whatever their group."""


class Row(Config):
    """One line of the table: a method, and what its configuration changes against the grid's preset."""

    label: str
    method: str
    group: Group = "method"
    config: dict[str, Any] = Field(default_factory=dict)
    note: str = ""
    seeds: tuple[int, ...] | None = None


class Grid(Config):
    """Rows x seeds on one corpus under one protocol.

    `data` is `standin:PRESET` or the folder of a BEAT2 release, `body` an SMPL-X file or `standin` (default: the body
    that lies in the corpus), `preset` the size of methods and trained evaluators, `metrics` a choice of the protocol's
    (default: all).
    """

    title: str
    data: str
    body: str | None = None
    protocol: str
    preset: Literal["tiny", "demo", "paper"] = "demo"
    seeds: tuple[int, ...] = (0,)
    metrics: tuple[str, ...] | None = None
    rows: tuple[Row, ...]

    def seeds_of(self, row: Row) -> tuple[int, ...]:
        return self.seeds if row.seeds is None else row.seeds

    def row(self, label: str) -> Row:
        for row in self.rows:
            if row.label == label:
                return row
        raise unknown_name("row", label, [row.label for row in self.rows])


def grid_names() -> list[str]:
    return sorted(path.stem for path in GRIDS.glob("*.yaml"))


def load_grid(name_or_path: str) -> Grid:
    """A grid by the name of a built-in one or the path of a YAML file."""
    import yaml

    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = GRIDS / f"{name_or_path}.yaml"
    if not path.is_file():
        if path.parent == GRIDS:
            raise unknown_name("grid", name_or_path, grid_names())
        raise InputError(f"{path}: no such grid file", expected=f"a YAML file or one of {', '.join(grid_names())}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(values, dict):
        raise InputError(
            f"{path}: holds {type(values).__name__}", expected="a mapping with title, data, protocol and rows"
        )
    return checked(Grid.parse(_without_nested_faults(values, path), path.name), path.name)


def _without_nested_faults(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """Parse rows one by one first, so that a fault names the row and near matches of its keys."""
    for number, row in enumerate(values.get("rows") or ()):
        if isinstance(row, dict):
            Row.parse(row, f"{path.name} row {number + 1}")
    return values


def checked(grid: Grid, where: str) -> Grid:
    """The grid, if labels are unique and neither rows nor seeds are empty or repeated."""
    labels = [row.label for row in grid.rows]
    if not labels:
        raise InputError(f"{where}: no rows", expected="at least one row")
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"{where}: two rows are labelled {label!r}", expected="unique labels", remedy="rename one")
    for row in grid.rows:
        seeds = grid.seeds_of(row)
        if not seeds or len(set(seeds)) < len(seeds):
            raise InputError(
                f"{where}: row {row.label!r} has seeds {list(seeds)}", expected="one or more different whole numbers"
            )
    return grid
