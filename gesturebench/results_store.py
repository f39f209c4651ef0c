"""What the verbs about the run store do."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gesturebench.cli_options import AskedScores, AskedStore
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.files import check_output, writing
from gesturebench.console import console, progress_bar

if TYPE_CHECKING:
    from gesturebench.benchmarks.garbage import Item, Needs
    from gesturebench.results.query import Scores

ENDINGS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".json": "json",
    ".md": "markdown",
    ".txt": "terminal",
}
_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def open_asked(asked: AskedScores) -> "Scores":
    """The scores that are asked for; says which could not be read."""
    from gesturebench.results.query import Named, open_scores

    named = None
    if (plan := asked.open()) is not None:
        found = [(score.key, cell.row.label) for cell in plan.cells for score in cell.evaluate.values()]
        named = [Named(key, label) for key, label in dict.fromkeys(found)]
    scores = open_scores(asked.runs, named)
    for sentence in scores.left_out:
        console(stderr=True).print(f"left out: {sentence}", markup=False, soft_wrap=True)
    return scores


def show_query(sql: str, asked: AskedScores, format: str | None, out: Path | None) -> None:
    """Answer a query on the terminal or in a file."""
    from gesturebench.results.answer_text import TEXTS
    from gesturebench.results.query import WRITERS

    format = format or (_format_of(out, ENDINGS) if out else "terminal")
    if format not in {*TEXTS, *WRITERS}:
        raise unknown_name("format", format, {*TEXTS, *WRITERS})
    if out is None:
        if format not in TEXTS:
            raise InputError(f"--format {format}", expected="a file for it", remedy=f"add --out scores.{format}")
        print(TEXTS[format](open_asked(asked).ask(sql)), end="")
        return
    check_output(out)
    if format in WRITERS:
        open_asked(asked).write(sql, out, format)
    else:
        text = TEXTS[format](open_asked(asked).ask(sql))
        with writing(out) as part:
            part.write_text(text, encoding="utf-8")


def write_export(out: Path, asked: AskedScores) -> None:
    """Everything of a store or a grid in one file."""
    from gesturebench.results.query import EVERYTHING, WRITERS

    format = _format_of(out, {ending: format for ending, format in ENDINGS.items() if format in WRITERS})
    check_output(out)
    rows = open_asked(asked).write(EVERYTHING, out, format)
    console().print(f"{out}: {rows} rows", markup=False, soft_wrap=True)


def _format_of(out: Path, endings: dict[str, str]) -> str:
    if out.suffix not in endings:
        raise unknown_name("ending", out.suffix, endings)
    return endings[out.suffix]


def check_results(stores: Sequence[Path]) -> int:
    """Say every fault; returns the exit code, 1 if there was one."""
    from gesturebench.results.store_check import check_stores

    for runs in stores:
        if not (runs / "evaluate").is_dir():
            raise InputError(f"{runs}: no finished evaluation", expected="a run store", remedy="correct the path")
    with progress_bar("check") as progress:
        faults = list(check_stores(stores, progress))
    for fault in faults:
        console().print(fault, markup=False, soft_wrap=True)
    count = f"{len(faults)} fault{'' if len(faults) == 1 else 's'}"
    console().print(f"{count} in {', '.join(map(str, stores))}", markup=False, soft_wrap=True)
    return 1 if faults else 0


def collect_garbage(asked: AskedStore, older_days: float, delete: bool = False, exactly: bool = False) -> None:
    """List what nothing needs, and delete it if asked to. Grids that are named keep what they need as they are asked
    for and, but for `exactly`, what any plan of the same title needed that was ever run here."""
    from gesturebench.benchmarks.garbage import find_garbage, finished_keys, sweep
    from gesturebench.slurm.spent import spent_submissions
    from gesturebench.slurm.submission import submissions

    needs = _needs(asked, exactly)
    with console(stderr=True).status(f"looking through {asked.runs}"):
        spent = spent_submissions(submissions(asked.runs), finished_keys(asked.runs))
        items = find_garbage(needs, older_days * 86400, spent)
    _show(items)
    if delete and items:
        with progress_bar("delete") as progress:
            freed = sweep(items, needs, progress)
        console().print(f"{_size(freed)} are free")
    elif items:
        console().print("Nothing was deleted: add --delete to do it")


def _needs(asked: AskedStore, exactly: bool) -> "Needs":
    from gesturebench.benchmarks.garbage import Needs
    from gesturebench.benchmarks.grid import grid_names

    if asked.grids:
        return Needs(asked.runs, _needed_by(asked, exactly))
    built_in: set[str] = set()
    for name in grid_names():
        try:
            built_in.update(step.key for step in asked.plan(name).steps)
        except InputError as error:  # its data is elsewhere; what was run of it is remembered
            console(stderr=True).print(f"grid {name} is not planned: {error}", markup=False, soft_wrap=True)
    return Needs(asked.runs, also=frozenset(built_in))


def _needed_by(asked: AskedStore, exactly: bool) -> frozenset[str]:
    from gesturebench.benchmarks.remembered import remembered

    plans = [asked.plan(name) for name in asked.grids]
    titles = set() if exactly else {plan.grid.title for plan in plans}
    variants = [plan for plan in remembered(asked.runs) if plan.title in titles]
    return frozenset(step.key for plan in plans for step in plan.steps).union(*(plan.inputs for plan in variants))


def _show(items: "Sequence[Item]") -> None:
    """A line each, the largest first, and the sum of each sort."""
    screen = console()
    for item in sorted(items, key=lambda item: -item.bytes):
        words = " ".join(filter(None, (item.kind, item.label or item.key)))
        line = f"{_size(item.bytes):>10}  {item.age_s / 86400:5.1f} d  {item.sort:10}  {words}  {item.path}"
        screen.print(line, markup=False, soft_wrap=True)
    for sort in dict.fromkeys(item.sort for item in items):
        mine = [item.bytes for item in items if item.sort == sort]
        screen.print(f"{sort}: {len(mine)}, {_size(sum(mine))}")
    screen.print(f"{len(items)} to delete, {_size(sum(item.bytes for item in items))}")


def _size(size: int) -> str:
    """
    >>> _size(500), _size(3 << 20)
    ('500 B', '3.0 MiB')
    """
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} B"
