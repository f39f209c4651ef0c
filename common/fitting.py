"""What anything trainable is given: data, the artifacts it builds on, a place for its own, and a seed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.progress import Progress, silent

CURVE = "curve.json"
"""Inside the artifact of a fit that trains by steps: the list of named losses that `train` returns."""


@dataclass(frozen=True)
class FitContext:
    """The surroundings of one `fit`.

    `store` the prepared clips, `upstream` finished artifacts by component name, `out` the empty folder to fill, `work`
    a folder that survives a killed process (checkpoints live there), `seed` the run seed, `progress` to be called now
    and then. `batch_divisor` is what batches are divided by because memory did not suffice before.
    """

    store: ClipStore
    out: Path
    work: Path
    seed: int = 0
    upstream: Mapping[str, Path] = field(default_factory=dict)
    progress: Progress = silent
    batch_divisor: int = 1
