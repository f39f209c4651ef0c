"""What the verb `retrieval` does: the reports of a row's clips, as a table, as JSON, or as a picture of one clip."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesturebench.benchmarks.plan import Cell, Plan
from gesturebench.benchmarks.recipe import row_config
from gesturebench.benchmarks.state import RunStore
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.files import check_output
from gesturebench.console import console

Report = Mapping[str, Any]
"""What a method says about a clip, see `Method.explain`: `windows` with `points`, and what stands in those."""

FORMATS = ("table", "json")
NO_TERMINAL = 1000


@dataclass(frozen=True)
class Request:
    """How a shell names the plan, and the verb's options."""

    named: str
    row: str | None = None
    clip: str | None = None
    seed: int | None = None
    ranks: int = 1
    format: str = "table"
    picture: Path | None = None


def show_retrieval(plan: Plan, runs: Path, asked: Request) -> None:
    """Everything that can be refused is refused before anything is read."""
    from gesturebench.results.figure_style import checked_ending

    if asked.format not in FORMATS:
        raise unknown_name("format", asked.format, FORMATS)
    if asked.picture:
        checked_ending(asked.picture)
        check_output(asked.picture)
    cell, reports = _reports(plan, RunStore(runs), asked)
    if asked.picture:
        _draw(cell.row.label, reports, asked.picture)
    elif asked.format == "json":
        print(json.dumps(reports, indent=1))
    else:
        show_table(cell.row.label, reports, asked.ranks)


def _reports(plan: Plan, store: RunStore, asked: Request) -> tuple[Cell, list[Report]]:
    """Of the first row that has something to say, or of the one that is asked for."""
    from gesturebench.common.corpus.store import ClipStore
    from gesturebench.common.threads import limit_threads

    rows = [plan.grid.row(asked.row)] if asked.row else list(plan.grid.rows)
    cells = [cell for row in rows for cell in plan.cells_of(row.label)[:1]]
    clips = ClipStore.open(store.require(plan.prepare, f"gesturebench run {asked.named}"))
    chosen = plan.protocol.clips(clips)
    if asked.clip:
        if asked.clip not in chosen:
            raise unknown_name("clip", asked.clip, chosen)
        chosen = (asked.clip,)
    limit_threads()
    for cell in cells:
        reports = _explained(plan, cell, store, clips, chosen, asked)
        if reports is not None:
            return cell, reports
    raise InputError(
        f"row {asked.row!r} retrieves nothing" if asked.row else f"{asked.named}: no row retrieves",
        expected="a row of a method that retrieves, such as rag_gesture[retrieval=discourse]",
        remedy="choose another --row" if asked.row else "choose another grid",
    )


def _explained(
    plan: Plan, cell: Cell, store: RunStore, clips, chosen: Sequence[str], asked: Request
) -> list[Report] | None:
    """With those parts of the row that were fitted; a method that retrieves from one of them has to have it."""
    from gesturebench.methods.base import Method
    from gesturebench.methods.registry import get_method

    cls = get_method(cell.row.method)
    if cls.explain is Method.explain:
        return None
    parts = {name: step for name, step in cell.generate.inputs.items() if step.kind == "fit"}
    needed = cls.explained_by(row_config(cls, cell.row, plan.grid))
    for name in needed:
        store.require(parts[name], f"gesturebench run {asked.named}")
    artifacts = {name: parts[name].folder(store.runs) for name in needed}
    method = cls.load(row_config(cls, cell.row, plan.grid), artifacts, clips)
    speeches = [clips.speech(clip, oracle=cell.query == "oracle") for clip in chosen]
    return method.explain(speeches, seed=cell.seed if asked.seed is None else asked.seed)


def show_table(label: str, reports: Sequence[Report], ranks: int = 1) -> None:
    """One line per query point, and below it the rest of its ranked list as far as it is asked for."""
    from rich.table import Table

    screen = console()
    if not screen.is_terminal:
        screen.width = NO_TERMINAL  # a file has no edge to wrap at
    terms = next((" + ".join(m["terms"]) for p in _points(reports) for m in p["ranked"][:1]), "")
    for report in reports:
        table = Table(
            "at", "asked for", "found", "in clip", f"score{f' ({terms})' if terms else ''}", "text", "placed",
            box=None, title=_title(report), title_justify="left", title_style="bold",
        )  # fmt: skip
        for point in _points([report]):
            for line in _lines(point, ranks):
                table.add_row(*line)
        screen.print(table)
        for window in report["windows"]:
            if window.get("answer", {}).get("state", "words") != "words":
                screen.print(f" {window['start_s']:.2f}  {window['answer']['note']}", markup=False, soft_wrap=True)
    placed = sum(point["placed"] is not None for point in _points(reports))
    total = sum(1 for _ in _points(reports))
    text = f"{label}: {placed} of {total} query points placed in {len(reports)} clips; times in seconds"
    screen.print(text, markup=False)


def _points(reports: Sequence[Report]) -> Iterator[Report]:
    return (point for report in reports for window in report["windows"] for point in window["points"])


def _title(report: Report) -> str:
    count = sum(1 for _ in _points([report]))
    return f"{report['clip']}, {report['duration_s']:.1f} s, {report['strategy']}" + (
        "" if count else ": nothing to ask for"
    )


def _lines(point: Report, ranks: int) -> Iterator[tuple[str, ...]]:
    from rich.markup import escape

    asked = escape(f"{point['word']} ({point['kind']})")
    at = f"{point['start_s']:.2f}"
    if not point["ranked"]:
        found = point["found"]
        where = (escape(found["what"]), _place(found), "-", "-") if found else ("-", "-", "-", "-")
        yield at, asked, *where, placement_text(point)
    for rank, match in enumerate(point["ranked"][:ranks]):
        found = escape(f"{match['word']} ({match['kind']})") if match["word"] or match["kind"] else "all words"
        first = (at, asked) if rank == 0 else ("", f"  {rank + 1}.")
        yield (
            *first,
            found,
            _place(match),
            _score(match),
            "-" if match["text"] is None else f"{match['text']:.3g}",
            placement_text(point) if not rank else "",
        )


def _place(found: Report) -> str:
    """Clip and seconds of what was found; of a whole window its start."""
    start = found["window_s"] if found["start_s"] is None else found["start_s"]
    return f"{found['clip']} at {start:.2f}"


def _score(match: Report) -> str:
    return f"{match['score']:.2f} ({' + '.join(f'{term:.3g}' for term in match['terms'].values())})"


def placement_text(point: Report) -> str:
    """Where a point's gesture went, or why nowhere.

    >>> placement_text({"placed": None, "dropped": "no room"})
    'not placed: no room'
    """
    placed = point["placed"]
    if placed is None:
        return f"not placed: {point['dropped']}"
    first, last = placed["slots"]
    text = f"{placed['start_s']:.2f} to {placed['end_s']:.2f}, slots {first} to {last - 1}"
    return f"{text}, {_change(placed)}" if placed["moved"] else text


def _change(placed: Report) -> str:
    """Slots are (first, one behind the last); a shortened gesture has fewer than it was wished to have."""
    wished, slots = placed["wished_slots"], placed["slots"]
    is_shorter = slots[1] - slots[0] < wished[1] - wished[0]
    parts = ["moved"] * (slots[0] != wished[0]) + ["shortened"] * is_shorter
    return " and ".join(parts)


def _draw(label: str, reports: Sequence[Report], out: Path) -> None:
    """The first clip with a query point; of the others the table tells."""
    from gesturebench.results.figure_style import save_figure
    from gesturebench.retrieval_picture import timeline

    chosen = next((report for report in reports if any(_points([report]))), reports[0])
    save_figure(timeline(label, chosen), out)
    console().print(f"Timeline of {chosen['clip']}: {out}", markup=False, soft_wrap=True)
