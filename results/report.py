"""The report: one HTML page without a network, with the table, a film strip per row, and every row's passport."""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from gesturebench.benchmarks.plan import Cell, Plan
from gesturebench.benchmarks.state import MOTIONS, RunStore
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.errors import InputError
from gesturebench.common.files import writing
from gesturebench.common.motion.export import load_motion
from gesturebench.common.progress import Progress, silent
from gesturebench.results.entry import Table
from gesturebench.results.render import html_table, template
from gesturebench.results.sheet import sheet_of
from gesturebench.results.strips import Moment, choose_moments, film_strip


@dataclass(frozen=True)
class RowView:
    """What the page shows of one row below the table; `strip` is a data URI, empty if nothing was generated yet."""

    label: str
    note: str
    strip: str
    passports: tuple[tuple[str, str], ...]


def write_report(
    plan: Plan,
    table: Table,
    store: RunStore,
    out: Path,
    command: str,
    progress: Progress = silent,
    figures: Sequence[tuple[str, str]] = (),
) -> None:
    """Render the page of a grid and its table; rows that are not there yet say so. `command` is what runs the grid, for
    the error message; `figures`, titles with `<svg>` elements, stand below the table."""
    clips = ClipStore.open(store.require(plan.prepare, command))
    clip_id = example_clip(plan, clips)
    truth = clips.truth(clip_id) if clips.has_truth else ()
    motion = clips.motion(clip_id)
    moments = choose_moments(clips.speech(clip_id), truth, motion.duration_s)
    rows = list(_rows(plan, store, clips, clip_id, moments, progress))
    links = {row.label: f"#{quote(row.label)}" for row in rows}
    sheet = sheet_of(table)
    page = template("report.html").render(
        sheet=sheet,
        table=html_table(sheet, links),
        figures=[(title, _inline(svg)) for title, svg in figures],
        clip_id=clip_id,
        duration_s=motion.duration_s,
        moments=moments,
        rows=rows,
    )
    with writing(out) as part:
        part.write_text(page, encoding="utf-8")


def _inline(svg: str) -> str:
    """Without its metadata and its names of namespaces, which a page does not need."""
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL))


def example_clip(plan: Plan, clips: ClipStore) -> str:
    """The scored clip with most true gestures (most words where there is no truth); the first of equals."""
    ids = plan.protocol.clips(clips)
    if clips.has_truth:
        return max(ids, key=lambda i: len(clips.truth(i)))
    return max(ids, key=lambda i: len(clips.speech(i).words))


def _rows(
    plan: Plan, store: RunStore, clips: ClipStore, clip_id: str, moments: tuple[Moment, ...], progress: Progress
) -> Iterator[RowView]:
    for done, row in enumerate(plan.grid.rows, start=1):
        cells = plan.cells_of(row.label)
        yield RowView(
            row.label, row.note, _strip(cells, store, clips, clip_id, moments), tuple(_passports(cells, store))
        )
        progress(done, len(plan.grid.rows))


def _strip(
    cells: tuple[Cell, ...], store: RunStore, clips: ClipStore, clip_id: str, moments: tuple[Moment, ...]
) -> str:
    """The first seed's motion in the body of the clip's speaker."""
    cell = next((cell for cell in cells if store.is_done(cell.generate)), None)
    if cell is None or not moments:
        return ""
    path = cell.generate.folder(store.runs) / MOTIONS / f"{clip_id}.npz"
    if not path.is_file():
        raise InputError(f"{path}: no such file", remedy=f"delete {path.parent.parent} and run the grid again")
    png = film_strip(load_motion(path), clips.joints, moments)
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _passports(cells: tuple[Cell, ...], store: RunStore) -> Iterator[tuple[str, str]]:
    """Name and record of everything that made the row's numbers."""
    for cell in cells:
        for step in (cell.generate, *cell.evaluate.values()):
            if store.is_done(step):
                yield f"{step.kind} {step.label}", json.dumps(store.record(step), indent=1, sort_keys=True)
