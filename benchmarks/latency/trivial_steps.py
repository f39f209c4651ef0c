"""Steps that take no time, for measuring what the runner takes, and stores in which many are finished."""

import json
from pathlib import Path

from gesturebench.benchmarks.job import Job
from gesturebench.benchmarks.step import Step
from gesturebench.common.progress import Progress

RECORD = json.dumps({"status": "done", "metrics": {"value": 1.0}})


def execute(job: Job, progress: Progress) -> None:
    """Leave a record and nothing else."""
    job.out.mkdir(parents=True, exist_ok=True)
    progress(0, 1)
    (job.out / "record.json").write_text(RECORD)


def plan(count: int) -> tuple[Step, ...]:
    """About so many steps shaped as a grid is: one store, components shared by cells, one motion and four scores per
    cell."""
    store = Step("prepare", "store", {})
    steps = [store]
    for cell in range(count // 6):
        part = Step("fit", f"part {cell}", {"cell": cell}, {"store": store})
        motion = Step("generate", f"cell {cell}", {"cell": cell}, {"store": store, "part": part})
        scores = [Step("evaluate", f"m{m}: cell {cell}", {"m": m}, {"motions": motion}) for m in range(4)]
        steps += [part, motion, *scores]
    return tuple(steps)


def finish(steps: tuple[Step, ...], runs: Path) -> None:
    """Leave what finished steps leave."""
    for step in steps:
        step.folder(runs).mkdir(parents=True)
        (step.folder(runs) / "record.json").write_text(RECORD)
