"""Grids: a paper's table or an ablation, as declared and as the rows it comes to."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field

from gesturebench.benchmarks.axes import label_of, points_of
from gesturebench.benchmarks.resources import Resources
from gesturebench.benchmarks.yaml_file import read_mapping
from gesturebench.common.config import Config
from gesturebench.common.errors import InputError, shown, unknown_name

GRIDS = Path(__file__).parent / "grids"

Group = Literal["anchor", "method", "control"]
"""`anchor` rows bound the scale (ground truth, reconstruction, a random clip), `control` rows show what an effect is
not due to. Rows whose query is `oracle` are set apart whatever their group."""

Size = Literal["tiny", "demo", "paper"]

ALL = "all"
"""In a grid's `base`: for every method that has the key."""


MOST_SEEDS = 10_000
"""In a range; more are a slip of the pen."""


def seeds_from(value: Any) -> Any:
    """Seeds as people write them: a number, a list, `0,3` or the range `0..4` with both ends.

    >>> seeds_from("0..2"), seeds_from("1,5"), seeds_from(3)
    ((0, 1, 2), (1, 5), (3,))
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    if isinstance(value, list) and any(isinstance(entry, bool) for entry in value):
        raise ValueError("a list of whole numbers")
    if not isinstance(value, str):
        return value
    try:
        first, dots, last = value.partition("..")
        found = range(int(first), int(last) + 1) if dots else [int(part) for part in value.split(",")]
    except ValueError:
        found = ()
    if not found:
        raise ValueError("whole numbers such as [0, 1] or 0..4")
    if dots and found[-1] - found[0] >= MOST_SEEDS:
        raise ValueError(f"a range of at most {MOST_SEEDS} seeds")
    return tuple(found)


Seeds = Annotated[tuple[int, ...], BeforeValidator(seeds_from)]


def _a_list(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not all(isinstance(entry, dict) for entry in value):
        raise ValueError("a list of mappings, each from keys to values")
    return value


Mappings = Annotated[tuple[dict[str, Any], ...], BeforeValidator(_a_list)]
"""Axes (values by key, see `axes.py`) or exclusions (one value by key, or a list that stands for any of them)."""


class Row(Config):
    """One line of the table, or one for every combination of its axes: a method, and what its configuration changes
    against the grid's preset.

    `label` may hold `{key}` for every axis; `axes` and `exclude` go before the grid's (`axes: []`: none); a row that
    `awaits` something is told with that reason and not planned; one that is not `given` the poses of its protocol has
    speech alone; `values` is where it lies on each axis.
    """

    label: str
    method: str
    group: Group = "method"
    config: dict[str, Any] = Field(default_factory=dict)
    note: str = ""
    seeds: Seeds | None = None
    axes: Mappings | None = None
    exclude: Mappings = ()
    awaits: str = ""
    given: bool = True
    values: dict[str, Any] = Field(default_factory=dict)


class StepResources(Config):
    """What each kind of step asks of the machine it runs on."""

    corpus: Resources = Resources()
    prepare: Resources = Resources()
    fit: Resources = Resources()
    generate: Resources = Resources()
    evaluate: Resources = Resources()

    def of(self, kind: str) -> Resources | None:
        """None where nothing is asked for."""
        asked: Resources = getattr(self, kind)
        return None if asked == Resources() else asked


class Grid(Config):
    """Rows x seeds on one corpus under one protocol.

    `paper` and what of it the grid `mirrors`; `data` is `standin:PRESET` or the folder of a BEAT2 release, `body` an
    SMPL-X file or `standin` (default: the body that lies in the corpus), `preset` the size of methods and trained
    evaluators, `base` what is changed of it by method (`all`: where a method has the key), `metrics` a choice of the
    protocol's (default: all), `axes` those of every row without axes of its own, `exclude` combinations left out.
    """

    title: str
    paper: str = ""
    mirrors: str = ""
    data: str
    body: str | None = None
    protocol: str
    preset: Size = "demo"
    base: dict[str, dict[str, Any]] = Field(default_factory=dict)
    seeds: Seeds = (0,)
    metrics: tuple[str, ...] | None = None
    resources: StepResources = StepResources()
    axes: Mappings = ()
    exclude: Mappings = ()
    rows: tuple[Row, ...]

    def seeds_of(self, row: Row) -> tuple[int, ...]:
        return self.seeds if row.seeds is None else row.seeds

    def row(self, label: str) -> Row:
        for row in self.rows:
            if row.label == label:
                return row
        raise unknown_name("row", label, [row.label for row in self.rows])

    def expanded(self, where: str = "grid") -> Self:
        """The same grid with a row for every combination, no axes, and labels that are unique; it is its own
        expansion."""
        rows, used = [], set()
        for row in self.rows:
            its_rows, its_used = _rows_of(row, self, f"{where} row {row.label!r}")
            rows += its_rows
            used |= its_used
        for number, rule in enumerate(self.exclude):
            if number not in used:
                raise _excludes_nothing(rule, where)
        _check_labels(rows, where)
        return self.model_copy(update={"rows": tuple(rows), "axes": (), "exclude": ()})


def _rows_of(row: Row, grid: Grid, where: str) -> tuple[list[Row], set[int]]:
    """The rows of every combination, and the numbers of the grid's exclusions that left one out."""
    axes = grid.axes if row.axes is None else row.axes
    if not axes:
        return [row], set()
    points, used = points_of(axes, (*grid.exclude, *row.exclude), where)
    own = len(grid.exclude)
    for number, rule in enumerate(row.exclude, start=own):
        if number not in used:
            raise _excludes_nothing(rule, where)
    if not points:
        raise InputError(
            f"{where}: every combination is excluded", expected="one or more to be left", remedy="shorten exclude"
        )
    rows = [
        row.model_copy(
            update={
                "label": label_of(row.label, point, where),
                "config": {**row.config, **point.values},
                "values": {**row.values, **point.values},
                "axes": (),
                "exclude": (),
            }
        )
        for point in points
    ]
    return rows, {number for number in used if number < own}


def _excludes_nothing(rule: dict[str, Any], where: str) -> InputError:
    return InputError(
        f"{where}: exclude {rule} leaves nothing out", expected="keys and values of the axes", remedy="correct it"
    )


def _check_labels(rows: list[Row], where: str) -> None:
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if not row.label.strip():
            raise InputError(f"{where}: row {number} has no label", remedy="give it a name")
        if not row.label.isprintable():
            raise InputError(
                f"{where}: row {number} is labelled {row.label!r}",
                expected="one line that can be printed",
                remedy="rename it",
            )
        if row.label in seen:
            raise InputError(
                f"{where}: two rows are labelled {row.label!r}", expected="unique labels", remedy="rename one"
            )
        seen.add(row.label)


def checked(grid: Grid, where: str) -> Grid:
    """The expanded grid, if it has rows, and neither metrics nor seeds are empty or repeated."""
    if not grid.rows:
        raise InputError(f"{where}: no rows", expected="at least one row", remedy="add a label and a method")
    if grid.metrics is not None and (not grid.metrics or len(set(grid.metrics)) < len(grid.metrics)):
        raise InputError(
            f"{where}: metrics is {list(grid.metrics)}",
            expected="one or more different metrics",
            remedy="leave the key out for all of the protocol's",
        )
    for row in grid.rows:
        seeds = grid.seeds_of(row)
        if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0 or max(seeds) >= 2**63:
            raise InputError(
                f"{where}: row {row.label!r} has seeds {shown(list(seeds))}",
                expected="one or more different whole numbers from 0 to 2^63 - 1",
                remedy="correct them",
            )
    strangers = sorted(grid.base.keys() - {ALL, *(row.method for row in grid.rows)})
    if strangers:
        raise unknown_name(f"method in {where}.base", strangers[0], {ALL, *(row.method for row in grid.rows)})
    return grid.expanded(where)


def grid_names() -> list[str]:
    return sorted(path.stem for path in GRIDS.glob("*.yaml"))


def load_grid(name_or_path: str) -> Grid:
    """A grid by the name of a built-in one or the path of a YAML file, expanded."""
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
    values = read_mapping(
        path,
        expected="a mapping with title, data, protocol and rows",
        remedy="see `gesturebench run --help` for the built-in grids",
    )
    rows = values.get("rows", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(
            f"{path.name}: rows is {shown(rows)}",
            expected="a list of mappings with label and method",
            remedy="correct it",
        )
    for number, row in enumerate(rows, start=1):  # one by one, so that a fault names the row
        Row.parse(row, f"{path.name} row {number}")
    return checked(Grid.parse(values, path.name), path.name)
