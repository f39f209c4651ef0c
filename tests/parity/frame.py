"""Golden data, case by case: what our code makes of a file's inputs, beside the outputs that the file holds.

A case is a function from one golden file to checks, registered under the file's place, `<sub-folder>/<file name>`. It
takes sizes, names and counts from the file, so that it holds for any folder of the same layout.
"""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
FULL = HERE.parents[2] / "shared" / "reference" / "golden"
SUBSET = HERE.parent / "golden"
"""A few small files, so that every checkout tests parity."""


def default_folder() -> Path:
    """$GESTUREBENCH_GOLDEN, else the full set beside the checkout, else the subset inside it."""
    given = os.environ.get("GESTUREBENCH_GOLDEN")
    return Path(given) if given else FULL if FULL.is_dir() else SUBSET


class Golden(Mapping[str, np.ndarray]):
    """The arrays of one golden file by key; keys are grouped by slashes. A JSON file has no arrays but a `document`."""

    def __init__(self, path: Path):
        self.path, self._arrays, self.document = path, {}, None
        if path.suffix == ".json":
            self.document = json.loads(path.read_text(encoding="utf-8"))
        else:
            with np.load(path) as arrays:
                self._arrays = dict(arrays)

    def __getitem__(self, key: str) -> np.ndarray:
        return self._arrays[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    @property
    def folder(self) -> Path:
        return self.path.parent

    def groups(self, prefix: str = "") -> list[str]:
        """Distinct components that follow `prefix` in the keys, in the order of the file."""
        rest = [key.removeprefix(prefix) for key in self if key.startswith(prefix)]
        return list(dict.fromkeys(key.split("/")[0] for key in rest))

    def under(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays below a prefix, by the rest of their key."""
        return {key.removeprefix(prefix): value for key, value in self.items() if key.startswith(prefix)}

    def config(self, key: str = "config") -> dict[str, Any]:
        return json.loads(str(self[key]))


@dataclass(frozen=True)
class Check:
    """One compared array: largest absolute difference, and the same over max(1, max |golden|), against a tolerance."""

    name: str
    max_abs: float
    max_rel: float
    tolerance: float

    @property
    def holds(self) -> bool:
        return self.max_rel <= self.tolerance


def near(name: str, ours: Any, golden: Any, tolerance: float = 1e-6) -> Check:
    """Numbers that agree up to rounding. Another shape, or a NaN on one side alone, is an infinite difference."""
    ours, golden = _numbers(ours), _numbers(golden)
    if ours.shape != golden.shape or (np.isnan(ours) != np.isnan(golden)).any():
        return Check(name, math.inf, math.inf, tolerance)
    if not golden.size:
        return Check(name, 0.0, 0.0, tolerance)
    with np.errstate(invalid="ignore"):  # equal infinities
        gap = np.where(ours == golden, 0.0, np.abs(ours - golden))
    worst = float(np.nanmax(gap, initial=0.0))
    return Check(name, worst, worst / max(1.0, float(np.nanmax(np.abs(golden), initial=0.0))), tolerance)


def same(name: str, ours: Any, golden: Any) -> Check:
    """Ranks, ids, counts, masks, names: equal or not; a difference counts as 1."""
    ours, golden = np.asarray(ours), np.asarray(golden)
    equal = ours.shape == golden.shape and bool((ours == golden).all())
    return Check(name, float(not equal), float(not equal), 0.0)


def _numbers(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value, dtype=np.float64)


Case = Callable[[Golden], Iterator[Check]]
CASES: dict[str, Case] = {}


def case(place: str) -> Callable[[Case], Case]:
    """Register the case of one file, such as `evaluators/frechet.npz`."""

    def register(function: Case) -> Case:
        if place in CASES:
            raise ValueError(f"two cases for {place}: {CASES[place].__module__} and {function.__module__}")
        CASES[place] = function
        return function

    return register


@cache
def load_cases() -> Mapping[str, Case]:
    """All cases of the folder `cases`, by place."""
    for path in sorted((HERE / "cases").glob("[!_]*.py")):
        import_module(f"tests.parity.cases.{path.stem}")
    return CASES


def places(folder: Path, only: str | None = None) -> list[str]:
    """The golden files of a folder; folders inside a sub-folder hold inputs."""
    files = folder.glob(f"{only or '*'}/*")
    return sorted(str(path.relative_to(folder)) for path in files if path.suffix in (".npz", ".json"))


def checks(folder: Path, place: str) -> list[Check]:
    return list(load_cases()[place](Golden(folder / place)))
