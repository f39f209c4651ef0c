"""What anything trainable is given: data, the artifacts it builds on, a place for its own, and a seed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.progress import Progress, silent

CURVE = "curve.json"
"""Inside the artifact of a fit that trains by steps: the list of named losses that `train` returns."""

TRAINING = "training.json"
"""Beside the curve, what the training took: `{"steps", "batch", "processes", "accumulate", "precision", "device",
"seconds_per_step", "windows_per_s", "drawing_share", "peak_memory_mb", "skipped_steps", "settled_step"}`. Times differ
from run to run, the curve does not."""


@dataclass(frozen=True)
class FitContext:
    """The surroundings of one `fit`.

    `store` the prepared clips, `upstream` finished artifacts by component name, `out` the empty folder to fill, `work`
    a folder that survives a killed process (checkpoints live there), `seed` the run seed, `progress` to be called now
    and then. `batch_divisor` is what batches are divided by because memory did not suffice before. `place` what the fit
    needs to know but does not depend on, `workers` how many processes it may start for what is not training.
    """

    store: ClipStore
    out: Path
    work: Path
    seed: int = 0
    upstream: Mapping[str, Path] = field(default_factory=dict)
    progress: Progress = silent
    batch_divisor: int = 1
    place: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 1
