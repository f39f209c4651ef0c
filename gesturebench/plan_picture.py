"""How the verb `plan` shows an overview: as a tree for people, as JSON for programs."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from gesturebench.benchmarks.overview import Overview, Shared
from gesturebench.benchmarks.state import StepState
from gesturebench.benchmarks.step import Step
from gesturebench.console import console

SHOWN = 40
"""Branches of each kind on the terminal; the JSON has them all."""

NO_TERMINAL = 1000

COLOURS = {"done": "green", "running": "cyan", "queued": "cyan", "missing": "yellow", "blocked": "magenta"}
"""Of states; every other state is a failure, in red."""


def show_tree(found: Overview) -> None:
    from rich.tree import Tree

    plan, screen = found.plan, console()
    data = f"{plan.grid.data} (stand-in, not BEAT2)" if plan.is_standin else plan.grid.data
    tree = Tree(_title(found), guide_style="dim")
    tree.add(f"protocol {plan.protocol.name} ({plan.protocol.hash}) on {data}, size {plan.grid.preset}")
    if found.shared:
        _branches(tree.add("shared by several cells"), [_shared(one) for one in found.shared])
    rows = tree.add(f"{_count(len(found.rows), 'row')}, each with its own steps")
    _branches(rows, [f"{_escaped(row.label)}: {_count(row.cells, 'cell')}{_own(row.own)}" for row in found.rows])
    absent = [f"{_escaped(label)}: {_escaped(reason)}" for label, reason in plan.absent.items()]
    absent += [f"metric {name}: {_escaped(reason)}" for name, reason in plan.absent_metrics.items()]
    if absent:
        _branches(tree.add("not built yet"), absent)
    if plan.missing:
        lines = [f"{_escaped(line)} (for {_count(len(rows), 'row')})" for line, rows in plan.missing.items()]
        _branches(tree.add("[red]not on this machine[/]"), lines)
    if found.trouble:
        told = [_state(step.kind, step.label, state.status, state.detail) for step, state in found.trouble]
        _branches(tree.add("running or ended"), told)
    if not screen.is_terminal:
        screen.width = NO_TERMINAL  # a file has no edge to wrap at
    screen.print(tree)
    for line in _estimate_lines(found):
        screen.print(line, markup=False, soft_wrap=True)


def _title(found: Overview) -> str:
    plan = found.plan
    mirrors = ", ".join(filter(None, (plan.grid.paper, plan.grid.mirrors)))
    total = found.total
    size = f"{_count(len(plan.cells), 'cell')}, {_count(len(plan.steps), 'step')}: {_counts(total) or 'nothing to do'}"
    return f"[bold]{_escaped(plan.grid.title)}[/]{f' ({_escaped(mirrors)})' if mirrors else ''}: {size}"


def _branches(branch, lines: list[str]) -> None:
    for line in lines[:SHOWN]:
        branch.add(line)
    if len(lines) > SHOWN:
        branch.add(f"... and {len(lines) - SHOWN} more, see --format json")


def _shared(one: Shared) -> str:
    line = _state(one.step.kind, one.step.label, one.state.status)
    return f"{line}, for {_count(one.cells, 'cell')} of {_count(one.rows, 'row')}"


def _state(kind: str, label: str, status: str, detail: str = "") -> str:
    more = f" ({_escaped(detail)})" if detail else ""
    return f"{kind} {_escaped(label)}: {_coloured(status, status)}{more}"


def _own(own: Mapping[str, Counter]) -> str:
    """What one cell alone needs, by kind."""
    return "".join(f"; {kind} {_counts(counts)}" for kind, counts in own.items())


def _counts(counts: Counter) -> str:
    return ", ".join(_coloured(status, f"{counts[status]} {status}") for status in counts)


def _coloured(status: str, text: str) -> str:
    return f"[{COLOURS.get(status, 'red')}]{text}[/]"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _estimate_lines(found: Overview) -> Iterable[str]:
    """What the steps that are left will cost, and how much of that is known."""
    if not found.estimates:
        yield "Nothing to do."
        return
    yield f"To do: about {_cost(found.cpu_hours, found.gpu_hours)}."
    for kind, estimate in found.estimates.items():
        basis = ", ".join(f"{count} {_BASIS[name]}" for name, count in estimate.basis.items())
        cost = _cost(estimate.cpu_hours, estimate.gpu_hours)
        yield f"  {kind}: {_count(estimate.steps, 'step')}, {cost} ({basis})"
    if any("assumed" in estimate.basis for estimate in found.estimates.values()):
        low = ", far below this size" if found.plan.grid.preset == "paper" else ""
        yield f"Assumed costs are those of the demo on one core{low}; finished steps of the same method replace them."


_BASIS = {"same settings": "as measured", "same method": "as measured with other settings", "assumed": "assumed"}


def _cost(cpu_hours: float, gpu_hours: float) -> str:
    cores = f"{_hours(cpu_hours)} of processor cores"
    return f"{cores}, {_hours(gpu_hours)} of GPUs" if gpu_hours else cores


def _hours(hours: float) -> str:
    if hours < 1 / 60:
        return f"{3600 * hours:.0f} s"
    return f"{60 * hours:.0f} min" if hours < 1 else f"{hours:.1f} h"


def show_json(found: Overview) -> None:
    print(json.dumps(to_json(found), indent=1))


def to_json(found: Overview) -> dict[str, Any]:
    """Everything that the tree says, unabridged."""
    plan = found.plan
    return {
        "title": plan.grid.title,
        "paper": plan.grid.paper,
        "mirrors": plan.grid.mirrors,
        "protocol": {"name": plan.protocol.name, "hash": plan.protocol.hash},
        "data": plan.grid.data,
        "is_standin": plan.is_standin,
        "preset": plan.grid.preset,
        "metrics": list(plan.metrics),
        "cells": len(plan.cells),
        "steps": len(plan.steps),
        "states": dict(found.total),
        "kinds": _plain(found.counts),
        "shared": [_named(one.step, one.state) | {"cells": one.cells, "rows": one.rows} for one in found.shared],
        "rows": [
            {"label": row.label, "group": row.group, "cells": row.cells, "own": _plain(row.own)} for row in found.rows
        ],
        "absent": dict(plan.absent),
        "absent_metrics": dict(plan.absent_metrics),
        "missing": {line: list(rows) for line, rows in plan.missing.items()},
        "trouble": [_named(step, state) | {"detail": state.detail} for step, state in found.trouble],
        "to_do": {
            "cpu_hours": found.cpu_hours,
            "gpu_hours": found.gpu_hours,
            "kinds": {kind: asdict(estimate) for kind, estimate in found.estimates.items()},
        },
    }


def _named(step: Step, state: StepState) -> dict[str, Any]:
    return {"key": step.key, "kind": step.kind, "label": step.label, "state": state.status}


def _plain(counts: Mapping[str, Counter]) -> dict[str, dict[str, int]]:
    return {kind: dict(states) for kind, states in counts.items()}


FORMATS: dict[str, Callable[[Overview], None]] = {"tree": show_tree, "json": show_json}
