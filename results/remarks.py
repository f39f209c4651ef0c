"""What a reader must know to use a table's numbers, in sentences."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.state import RunStore, StepState
from gesturebench.benchmarks.step import Step
from gesturebench.evaluators.registry import get_evaluator
from gesturebench.results.entry import Entry, Line, Table
from gesturebench.results.marks import Silence, Standing
from gesturebench.results.reading import Scores, scores_of

_INTERVALS = {
    "clips": "clip bootstrap, crossed with seeds, for {}",
    "seeds": "Student's t over seeds for {}",
    "draws": "1.96 std / sqrt(R) over the R replications of its draws for {}",
    "none": "none for {} where only one seed was run",
}
_SILENCE: Mapping[Silence, str] = {
    "no difference": "{} (the data cannot tell the rows apart)",
    "too little": "{} (no test is possible with so few clips or seeds: it takes six clips, or four seeds a row where "
    "there are no values by clip)",
    "not informative": "{} (in this embedding captured motion is not found from its speech: the numbers say nothing of "
    "how well motion fits speech)",
    "no truth": "{} (there is no ground truth to be close to)",
}
_SHOWN = 5
"""Reasons that are told in full."""


def setting_of(plans: Sequence[Plan], lines: Sequence[Line]) -> str:
    """`N = 16 clips, 1 to 2 seeds; protocol standin (c528f9b7f138); data standin:demo.`"""
    clips = _range({line.clips for line in lines if line.clips}, "clip")
    seeds = _range({len(line.seeds) for line in lines if line.identity}, "seed")
    protocols = dict.fromkeys(f"{plan.protocol.name} ({plan.protocol.hash})" for plan in plans)
    data = dict.fromkeys(plan.grid.data for plan in plans)
    return f"N = {clips}, {seeds}; protocol {', '.join(protocols)}; data {', '.join(data)}."


def _range(counts: Iterable[int], what: str) -> str:
    """`2 seeds`, `1 to 2 seeds`, `no clips`."""
    found = sorted(set(counts))
    words = "no" if not found else str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
    return f"{words} {what}{'' if words == '1' else 's'}"


def remarks_on(table: Table, plans: Sequence[Plan], scores: Scores, mixed: bool) -> Iterator[str]:
    """How to read the numbers first, then what is not there, then the rows' own notes."""
    for plan in dict.fromkeys(plans):
        yield f"Protocol {plan.protocol.name} ({plan.protocol.hash}): {plan.protocol.description}"
    yield from _on_intervals(table.lines)
    yield from _on_marks(table)
    for plan in plans:
        yield from _facts(plan, scores)
    yield from _on_gaps(table.lines)
    for plan in plans:
        yield from (f"{metric} is not measured: {why}." for metric, why in plan.absent_metrics.items())
    yield from table.smaller_batches
    if mixed:
        yield "† measured under another protocol, on other data or with another encoder than the first row."
    yield from _notes(table.lines)


def _on_intervals(lines: Sequence[Line]) -> Iterator[str]:
    kinds = {
        kind: sorted(
            {key for line in lines for key, e in line.entries.items() if e.number and e.number.interval == kind}
        )
        for kind in _INTERVALS
    }
    told = [text.format(", ".join(kinds[kind])) for kind, text in _INTERVALS.items() if kinds[kind]]
    if told:
        yield "± is half of the 95 % interval: " + "; ".join(told) + "."


def _on_marks(table: Table) -> Iterator[str]:
    """What bold, underline and * say, and where they say nothing."""
    tested = "permutation test over clips, without values by clip over seeds, Holm-corrected within the column"
    real = f"p < 0.05 in a {tested}, and the 95 % interval of the difference leaves zero out"
    if any(entry.mark for line in table.lines for entry in line.entries.values()):
        yield f"Bold is best, underlined second among methods, shared by rows that cannot be told apart: {real}."
    silent = {
        reason: [c.heading for c in table.columns if table.standings[c.key].silence == reason] for reason in _SILENCE
    }
    told = [text.format(", ".join(silent[reason])) for reason, text in _SILENCE.items() if silent[reason]]
    if told:
        yield "Without marks: " + "; ".join(told) + "."
    untested = {
        line.label: [c.heading for c in table.columns if _is_untested(line.entries[c.key], table.standings[c.key])]
        for line in table.lines
    }
    told = [f"{label} ({', '.join(headings)})" for label, headings in untested.items() if headings]
    if told:
        yield "Not compared, for too few seeds or other clips than the best row's: " + "; ".join(told) + "."
    if any(entry.against_baseline for line in table.lines for entry in line.entries.values()):
        yield f"* differs from {table.baseline}: {real}."


def _is_untested(entry: Entry, found: Standing) -> bool:
    """Whether other rows of its column have marks, and this one was not tested against the best."""
    return bool(found.marks) and entry.against_best is not None and entry.against_best.p is None


def _facts(plan: Plan, scores: Scores) -> Iterator[str]:
    """Numbers of an evaluator that are the same for every row: its encoder, its ceiling."""
    for metric in plan.metrics:
        keys = {column.key for column in get_evaluator(metric).columns}
        found = [score.numbers for score in scores_of(plan.cells, metric, scores)]
        if not found:
            continue
        shared = {
            k: v
            for k, v in found[0].items()
            if k not in keys and isinstance(v, str | int | float) and all(m.get(k) == v for m in found)
        }
        told = [f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in shared.items()]
        yield f"{metric}: {', '.join(told)}."


def _on_gaps(lines: Sequence[Line]) -> Iterator[str]:
    """How many numbers are not there, and why: who has to do something about it."""
    planned = [line.entries[key] for line in lines for key in line.identity]
    gaps = sum(entry.status != "done" for entry in planned)
    if gaps:
        yield f"{gaps} of {len(planned)} numbers are not there yet: `gesturebench run` makes them."
    whys = {}
    for line in lines:
        for entry in line.entries.values():
            if entry.number is None and entry.why and entry.status != "missing":
                whys.setdefault((entry.status == "not available", entry.why), []).append(line.label)
    for (unbuilt, why), labels in list(whys.items())[:_SHOWN]:
        yield f"{', '.join(dict.fromkeys(labels))}: {'not available: ' if unbuilt else ''}{why}."
    if len(whys) > _SHOWN:
        yield f"{len(whys) - _SHOWN} more reasons: `gesturebench status`."


def _notes(lines: Sequence[Line]) -> Iterator[str]:
    """The notes of rows that are planned; rows that share one are named together."""
    labels: dict[str, list[str]] = {}
    for line in lines:
        if line.note and line.identity:
            labels.setdefault(line.note, []).append(line.label)
    for note, its in labels.items():
        yield f"{', '.join(its)}: {note}."


def smaller_batches(plan: Plan, store: RunStore, states: Mapping[str, StepState]) -> Iterator[str]:
    """A sentence for each part of a row that was trained with a smaller batch than configured."""
    divisors: dict[str, dict[str, int]] = {}
    for row in plan.grid.rows:
        steps = (step for cell in plan.cells_of(row.label) for step in cell.evaluate.values())
        done = (step for step in steps if _is_done(step, states))
        found = {part: divisor for step in done for part, divisor in _divided(step, store, states, divisors).items()}
        for part, divisor in found.items():
            yield f"{row.label}: {part} {trained_with(divisor)}; its numbers are those of that batch."


def trained_with(divisor: int) -> str:
    """
    >>> trained_with(2)
    'was trained with half of the configured batch after running out of memory'
    """
    share = "half" if divisor == 2 else f"1/{divisor}"
    return f"was trained with {share} of the configured batch after running out of memory"


def _divided(
    step: Step, store: RunStore, states: Mapping[str, StepState], known: dict[str, dict[str, int]]
) -> dict[str, int]:
    """By label the divisors of the batches of all trained parts that a step builds on, where they are not 1."""
    if step.key not in known:
        found = {}
        for needed in step.inputs.values():
            found |= _divided(needed, store, states, known)
        if step.kind == "fit" and _is_done(step, states):
            divisor = store.record(step).get("batch_divisor", 1)
            found |= {step.label: divisor} if divisor != 1 else {}
        known[step.key] = found
    return known[step.key]


def _is_done(step: Step, states: Mapping[str, StepState]) -> bool:
    return step.key in states and states[step.key].status == "done"
