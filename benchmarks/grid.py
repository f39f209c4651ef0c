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
    if name_or_path in grid_names():
        path = GRIDS / f"{name_or_path}.yaml"
    elif path.suffix not in (".yaml", ".yml") and path.name == name_or_path:
        raise unknown_name("grid", name_or_path, grid_names())
    if not path.is_file():
        raise InputError(
            f"{path}: no such grid file",
            expected=f"a YAML file or one of {', '.join(grid_names())}",
            remedy="correct the path",
        )
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _strict_loader())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not valid YAML ({' '.join(str(error).split())})", remedy="correct the file"
        ) from error
    if not isinstance(values, dict):
        raise InputError(
            f"{path}: holds {'nothing' if values is None else type(values).__name__}",
            expected="a mapping with title, data, protocol and rows",
            remedy="see `gesturebench run --help` for the built-in grids",
        )
    return checked(Grid.parse(_without_nested_faults(values, path), path.name), path.name)


def _strict_loader() -> type:
    """YAML in which a key that stands twice is an error; the standard loader keeps the last in silence."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node, deep=False):
            keys = [key.value for key, _ in node.value]
            for key, _ in node.value:
                if keys.count(key.value) > 1:
                    raise yaml.MarkedYAMLError(problem=f"key {key.value!r} stands twice", problem_mark=key.start_mark)
            return super().construct_mapping(node, deep)

    return Loader


def _without_nested_faults(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """Parse rows one by one first, so that a fault names the row and near matches of its keys."""
    rows = values.get("rows", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(
            f"{path.name}: rows is {rows!r}", expected="a list of mappings with label and method", remedy="correct it"
        )
    for number, row in enumerate(rows, start=1):
        Row.parse(row, f"{path.name} row {number}")
    return values


def checked(grid: Grid, where: str) -> Grid:
    """The grid, if labels are unique and neither rows nor seeds are empty or repeated."""
    labels = [row.label for row in grid.rows]
    if not labels:
        raise InputError(f"{where}: no rows", expected="at least one row", remedy="add a label and a method")
    if grid.metrics is not None and (not grid.metrics or len(set(grid.metrics)) < len(grid.metrics)):
        raise InputError(
            f"{where}: metrics is {list(grid.metrics)}",
            expected="one or more different metrics",
            remedy="leave the key out for all of the protocol's",
        )
    for label in labels:
        if not label.strip():
            raise InputError(f"{where}: row {labels.index(label) + 1} has no label", remedy="give it a name")
        if labels.count(label) > 1:
            raise InputError(f"{where}: two rows are labelled {label!r}", expected="unique labels", remedy="rename one")
    for row in grid.rows:
        seeds = grid.seeds_of(row)
        if not seeds or len(set(seeds)) < len(seeds):
            raise InputError(
                f"{where}: row {row.label!r} has seeds {list(seeds)}",
                expected="one or more different whole numbers",
                remedy="correct them",
            )
    return grid
