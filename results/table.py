"""A grid's results as a table: aggregated, with what each number is comparable with; refuses to put unlike things side
by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gesturebench.benchmarks.grid import Row
from gesturebench.benchmarks.plan import Cell, Plan
from gesturebench.benchmarks.state import RunStore, StepState
from gesturebench.common.errors import InputError, shown, unknown_name
from gesturebench.evaluators.base import Column
from gesturebench.evaluators.registry import get_evaluator
from gesturebench.results.condition import Conditions, worst
from gesturebench.results.entry import GROUPS, Entry, Line, Table
from gesturebench.results.identity import Identity, differences, identity_of
from gesturebench.results.informative import told, uninformative, unmarked
from gesturebench.results.marks import Standing, standing
from gesturebench.results.numbers import Sample, summarise
from gesturebench.results.reading import Score, Scores, sample_of, scores_of
from gesturebench.results.remarks import remarks_on, setting_of, smaller_batches
from gesturebench.results.significance import Contender

__all__ = ["GROUPS", "Entry", "Line", "Table", "build_table"]


def build_table(
    plans: Sequence[Plan],
    store: RunStore,
    states: Mapping[str, StepState] | None = None,
    *,
    mix_protocols: bool = False,
    baseline: str | None = None,
    columns: Sequence[Column] | None = None,
) -> Table:
    """The table of one or more grids; rows that cannot be compared are refused, or marked with `mix_protocols`.

    `states` of the plans' steps by key, where more is known than the store's files say; `columns` in place of those of
    the plans' metrics.
    """
    columns = tuple(columns or _columns(plans))
    states = store.states([step for plan in plans for step in plan.steps]) if states is None else states
    scores, conditions = Scores(plans, store, states), Conditions(states)
    drafts = [_draft(plan, row, columns, scores, conditions) for plan in plans for row in plan.grid.rows]
    drafts = sorted(drafts, key=lambda draft: list(GROUPS).index(draft.group))
    lines, contenders = _lines(drafts, columns)
    if baseline is not None and baseline not in [line.label for line in lines]:
        raise unknown_name("row for a baseline", baseline, [line.label for line in lines])
    found = list(differences([(line.label, line.identity) for line in lines]))
    if found and not mix_protocols:
        raise InputError(
            f"rows that cannot be compared: {found[0][2]}",
            expected="one protocol, data set, encoder and sample count per column",
            remedy="print the grids one by one, or mark the rows with --mix-protocols",
        )
    foreign = {(row, key) for row, key, _ in found}
    standings = {c.key: _standing(lines, contenders[c.key], c, foreign, baseline) for c in columns}
    empty = uninformative(plans, scores)
    standings |= {key: unmarked(standings[key]) for key in empty if key in standings}
    table = Table(
        _title(plans),
        told(columns, empty),
        tuple(_marked(row, line, standings, foreign) for row, line in enumerate(lines)),
        setting=setting_of(plans, lines),
        standings=standings,
        baseline=baseline,
        smaller_batches=tuple(told for plan in plans for told in smaller_batches(plan, store, states)),
    )
    return replace(table, remarks=tuple(remarks_on(table, plans, scores, bool(found))))


def _columns(plans: Sequence[Plan]) -> tuple[Column, ...]:
    metrics = dict.fromkeys(metric for plan in plans for metric in plan.metrics)
    return tuple(column for metric in metrics for column in get_evaluator(metric).columns)


def _title(plans: Sequence[Plan]) -> str:
    title = " / ".join(dict.fromkeys(plan.grid.title for plan in plans))
    return f"{title} (stand-in corpus, not BEAT2)" if any(plan.is_standin for plan in plans) else title


@dataclass(frozen=True, eq=False)
class _Draft:
    """A row as it was read: by column key a sample, or an entry that says why there is none."""

    label: str
    group: str
    method: str
    query: str
    note: str
    seeds: tuple[int, ...]
    clips: int | None
    samples: Mapping[str, Sample]
    without: Mapping[str, Entry]
    identity: Mapping[str, Identity]


def _draft(plan: Plan, row: Row, columns: Sequence[Column], scores: Scores, conditions: Conditions) -> _Draft:
    cells, seeds = plan.cells_of(row.label), plan.grid.seeds_of(row)
    metric_of = {c.key: metric for metric in plan.metrics for c in get_evaluator(metric).columns}
    query = cells[0].query if cells else ""
    samples: dict[str, Sample] = {}
    without: dict[str, Entry] = {}
    identity: dict[str, Identity] = {}
    clips = None
    for column in columns:
        key = column.key
        if not cells:
            without[key] = Entry(None, "not available", seeds=len(seeds), why=plan.absent.get(row.label, ""))
        elif key not in metric_of:
            without[key] = Entry(None, "missing", seeds=len(seeds), why="this grid does not measure it")
        else:
            found = scores_of(cells, metric_of[key], scores)
            clips = clips or next((score.record["clips"] for score in found), None)
            sample = _sample(found, len(cells), key)
            if sample is None:
                without[key] = _without(cells, metric_of[key], key, found, conditions)
            else:
                samples[key] = sample
            identity[key] = identity_of(cells, metric_of[key], found, sample and sample.n, plan)
    group = "oracle" if query == "oracle" else row.group
    return _Draft(row.label, group, row.method, query, row.note, seeds, clips, samples, without, identity)


def _sample(found: Sequence[Score], wanted: int, key: str) -> Sample | None:
    """All seeds or nothing; nothing too where a seed found nothing of its kind in the clips, or no finite number."""
    if len(found) < wanted or any(score.number(key) is None for score in found):
        return None
    return sample_of(found, key)


def _without(cells: Sequence[Cell], metric: str, key: str, found: Sequence[Score], conditions: Conditions) -> Entry:
    """Why there is no number: the worst that happened to any seed."""
    done, seeds = len(found), len(cells)
    if done == seeds:
        odd = [s.numbers[key] for s in found if s.number(key) is None and s.numbers.get(key) is not None]
        why = f"{key} is {shown(odd[0])}, no finite number" if odd else "nothing of its kind in these clips"
        return Entry(None, "done", seeds_done=done, seeds=seeds, why=why)
    condition = worst([conditions.of(cell.evaluate[metric]) for cell in cells])
    why = "" if condition.status == "missing" else condition.sentence
    return Entry(None, condition.of_the_row, seeds_done=done, seeds=seeds, why=why)


def _lines(drafts: Sequence[_Draft], columns: Sequence[Column]) -> tuple[list[Line], dict[str, list[Contender | None]]]:
    """Every row with its numbers; by column key what the rows bring to a comparison, None where a number is missing."""
    places = [(draft, c.key) for draft in drafts for c in columns if c.key in draft.samples]
    numbers, means = summarise([draft.samples[key] for draft, key in places])
    entries: list[dict[str, Entry]] = [dict(draft.without) for draft in drafts]
    contenders: dict[str, list[Contender | None]] = {c.key: [None] * len(drafts) for c in columns}
    at = {id(draft): row for row, draft in enumerate(drafts)}
    for (draft, key), number, means_B in zip(places, numbers, means):
        row = at[id(draft)]
        entries[row][key] = Entry(number, "done", seeds_done=number.seeds, seeds=number.seeds)
        contenders[key][row] = Contender(row, draft.samples[key], means_B)
    lines = [
        Line(d.label, d.group, d.method, d.query, d.note, d.seeds, d.clips, entries[row], d.identity, d.samples)
        for row, d in enumerate(drafts)
    ]
    return lines, contenders


def _standing(
    lines: Sequence[Line],
    contenders: Sequence[Contender | None],
    column: Column,
    foreign: set[tuple[int, str]],
    baseline: str | None,
) -> Standing:
    """Method rows against each other; rows of another protocol do not compete."""
    able = [
        (line, contender)
        for row, (line, contender) in enumerate(zip(lines, contenders))
        if contender is not None and (row, column.key) not in foreign
    ]
    rows = [contender for line, contender in able if line.group == "method"]
    truth = next((contender for line, contender in able if line.method == "ground_truth"), None)
    beside = next((contender for line, contender in able if line.label == baseline), None)
    return standing(rows, column.direction, truth, beside)


def _marked(row: int, line: Line, standings: Mapping[str, Standing], foreign: set[tuple[int, str]]) -> Line:
    entries = {
        key: replace(
            entry,
            foreign=(row, key) in foreign,
            mark=standings[key].marks.get(row),
            against_best=standings[key].against_best.get(row),
            against_baseline=standings[key].against_baseline.get(row),
        )
        for key, entry in line.entries.items()
    }
    return replace(line, entries=entries)
