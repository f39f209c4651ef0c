"""Stores as finished runs leave them, with made-up numbers."""

import zlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from gesturebench.benchmarks.grid import Grid, Row, checked
from gesturebench.benchmarks.plan import Cell, Plan, make_plan
from gesturebench.benchmarks.source import StandinSource
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.step import Step
from gesturebench.common.files import write_json
from gesturebench.evaluators.registry import get_evaluator

CLIPS = 10
GUIDED = {"retrieval": "discourse", "guidance.mode": "paper"}
TRUTH = Row(label="Ground truth", method="ground_truth", group="anchor", seeds=(0,), axes=())
BLIND = Row(label="Random clip", method="random_clip", group="anchor", axes=())

Value = Callable[[Cell, str], float]
"""What a cell scores in a column, before clips and seeds vary."""


def planned(**grid: Any) -> Plan:
    values = {"title": "T", "data": "standin:tiny", "protocol": "standin", "preset": "tiny", "seeds": (0, 1)}
    return make_plan(checked(Grid(**values | {"metrics": ("fgd", "bc")} | grid), "grid"), StandinSource("tiny"))


def swept(axes: tuple[Mapping[str, Any], ...], **grid: Any) -> Plan:
    """Two anchors, and RAG-Gesture for every combination of the axes."""
    return planned(rows=(TRUTH, BLIND, Row(label="RAG", method="rag_gesture", config=GUIDED)), axes=axes, **grid)


def fill(plan: Plan, store: RunStore, value: Value, without: Collection[str] = ()) -> None:
    """Leave every score; FGD has no values by clip."""
    for cell in plan.cells:
        if cell.row.label not in without:
            for metric, step in cell.evaluate.items():
                _score(cell, metric, step, store, value)


def _score(cell: Cell, metric: str, step: Step, store: RunStore, value: Value) -> None:
    keys = [column.key for column in get_evaluator(metric).columns]
    rng = np.random.default_rng([cell.seed, zlib.crc32(cell.row.label.encode())])
    by_clip = {key: value(cell, key) + 0.1 * rng.normal(size=CLIPS) for key in keys}
    told = {} if metric == "fgd" else by_clip
    units = {
        f"clip{i}": {**{key: float(values[i]) for key, values in told.items()}, "frames": 10} for i in range(CLIPS)
    }
    totals = {key: float(values.mean()) for key, values in by_clip.items()}
    write_json(step.folder(store.runs) / "per_clip.json", units)
    write_json(step.folder(store.runs) / "record.json", {"metrics": {**totals, "n": CLIPS}, "clips": CLIPS})


def fits(plan: Plan) -> list[Step]:
    return [step for step in plan.steps if step.kind == "fit"]


def leave_curve(step: Step, store: RunStore, curve: Any) -> None:
    write_json(step.folder(store.runs) / "curve.json", curve)
    write_json(step.folder(store.runs) / "record.json", {"kind": "fit"})
