"""Garbage: artifacts that no grid needs, and what dead attempts left behind.

Deleting is safe while others work: a thing is first renamed into a folder beside it, then it is asked once more what
is needed, what is goes back, and only then the rest is deleted. Who is killed on the way leaves whole artifacts, or a
folder `.trash` that the next collection empties.
"""

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from gesturebench.benchmarks.claims import Claims
from gesturebench.benchmarks.remembered import Remembered, remembered
from gesturebench.benchmarks.state import RECORD, names_in
from gesturebench.benchmarks.step import KEY_DIGITS, Kind
from gesturebench.common.errors import InputError
from gesturebench.common.files import explained, read_json
from gesturebench.common.progress import Progress, silent

TRASH = ".trash"

Sort = Literal["artifact", "work", "attempts", "failure", "claim", "submission", "trash"]
"""`artifact` is a result that nothing needs; `work` and `attempts` are what tries at finished or unneeded steps left;
`failure` tells of a step that nothing needs any more, `claim` of one that is finished; `submission` was given to a
cluster and is through; `trash` is what an interrupted collection had already put aside."""


@dataclass(frozen=True)
class Item:
    """Something to delete; `kind` of step, empty where that is not known. `spare` if the step is needed, but finished
    without it."""

    sort: Sort
    path: Path
    key: str
    bytes: int
    age_s: float
    kind: str = ""
    spare: bool = False

    @property
    def label(self) -> str:
        """What the record calls it."""
        try:
            return read_json(self.path / RECORD)["label"] if self.sort == "artifact" else ""
        except (InputError, KeyError, TypeError):
            return "(without a record)"


@dataclass(frozen=True)
class Needs:
    """What must stay: the `named` keys, where they are None those of every remembered plan; and in any case what steps
    at work are and need."""

    runs: Path
    named: frozenset[str] | None = None
    also: frozenset[str] = frozenset()

    def keys(self) -> frozenset[str]:
        """As of now: plans and claims are read anew."""
        plans = remembered(self.runs)
        kept = frozenset().union(*(plan.inputs for plan in plans)) if self.named is None else self.named
        return kept | self.also | frozenset(self._at_work(plans))

    def _at_work(self, plans: Sequence[Remembered]) -> set[str]:
        """The steps that are claimed with everything they build on."""
        inputs = {key: needed for plan in plans for key, needed in plan.inputs.items()}
        found: set[str] = set()
        for key, owner in Claims(self.runs).living().items():
            if not _is_key(key):  # a claim on something that is no step
                continue
            if key not in inputs:
                raise InputError(
                    f"step {key} is being made by {owner}, and nobody has noted what it builds on",
                    remedy="collect garbage when that has ended",
                )
            pending = [key]
            while pending:
                if (one := pending.pop()) not in found:
                    found.add(one)
                    pending += inputs.get(one, ())
        return found


def find_garbage(needs: Needs, older_s: float, spent: Sequence[Path] = ()) -> list[Item]:
    """Artifacts that are not needed, whatever their age; leftovers that nobody has touched for `older_s` seconds, and
    so old `spent` submissions."""
    now, needed = time.time(), needs.keys()
    living = Claims(needs.runs).living().keys()
    finished = finished_keys(needs.runs)
    items = list(_unneeded(needs.runs, needed, now))
    leftovers = [*_leftovers(needs.runs, needed, finished, now)]
    leftovers += [_item("submission", folder, folder.name, now) for folder in spent]
    items += [item for item in leftovers if item.key not in living and item.age_s >= older_s]
    return items + list(_trash(needs.runs, now))


def finished_keys(runs: Path) -> set[str]:
    """The steps of any grid that are done."""
    return {key for kind, key in _artifacts(runs) if runs.joinpath(kind, key, RECORD).is_file()}


def _artifacts(runs: Path) -> Iterator[tuple[str, str]]:
    """Kind and key of everything that is finished; folders of other names are none of ours."""
    for kind in get_args(Kind):
        yield from ((kind, name) for name in sorted(names_in(runs / kind)) if _is_key(name))


def _is_key(name: str) -> bool:
    return len(name) == KEY_DIGITS and set(name) <= set("0123456789abcdef")


def _unneeded(runs: Path, needed: frozenset[str], now: float) -> Iterator[Item]:
    """Results before what they were made from, so that whoever looks on sees no result without its inputs."""
    for kind, key in reversed(list(_artifacts(runs))):
        if key not in needed:
            yield _item("artifact", runs / kind / key, key, now, kind)


def _leftovers(runs: Path, needed: frozenset[str], finished: set[str], now: float) -> Iterator[Item]:
    """Unfinished steps that are needed keep their checkpoints, attempts and claims."""
    for sort, folder in (("work", ".work"), ("attempts", ".attempts")):
        for name in sorted(names_in(runs / folder)):
            if _is_key(name) and (name in finished or name not in needed):
                yield _item(sort, runs / folder / name, name, now, spare=name in finished)
    for sort, folder in (("failure", ".failed"), ("claim", ".claims")):
        for name in sorted(names_in(runs / folder)):
            key = name.partition(".")[0]
            # a claim is only looked for by who wants the step, and finds it finished
            if _is_key(key) and (key in finished if sort == "claim" else key not in needed):
                yield _item(sort, runs / folder / name, key, now, spare=sort == "claim")


def _trash(runs: Path, now: float) -> Iterator[Item]:
    for path in sorted((*runs.glob(f"*/{TRASH}/*"), *runs.glob(f".*/{TRASH}/*"))):
        yield _item("trash", path, path.name.partition(".")[0], now)


def _item(sort: Sort, path: Path, key: str, now: float, kind: str = "", spare: bool = False) -> Item:
    size, newest = _size(path)
    return Item(sort, path, key, size, max(0.0, now - newest), kind, spare)


def _size(path: Path) -> tuple[int, float]:
    """Bytes of all files, and when anything was last changed."""
    try:
        found = path.lstat()
        inside = [_size(Path(entry)) for entry in os.scandir(path)] if path.is_dir() and not path.is_symlink() else []
    except FileNotFoundError:  # it ended while we looked
        return 0, time.time()
    own = 0 if inside or path.is_dir() else found.st_size
    return own + sum(size for size, _ in inside), max([found.st_mtime, *(newest for _, newest in inside)])


def sweep(items: Sequence[Item], needs: Needs, progress: Progress = silent) -> int:
    """Delete them, except what has become needed meanwhile; returns the bytes that are free now."""
    needed = needs.keys()
    moved = [(item, _put_aside(item)) for item in items if not _is_needed(item, needed)]
    needed, freed = needs.keys(), 0
    for done, (item, place) in enumerate(moved, start=1):
        if not _is_needed(item, needed) or not _put_back(item, place):
            _delete(place)
            freed += item.bytes
        progress(done, len(moved))
    return freed


def _is_needed(item: Item, needed: frozenset[str]) -> bool:
    return item.key in needed and not item.spare and item.sort != "trash"


def _put_aside(item: Item) -> Path:
    if item.sort == "trash":
        return item.path
    place = item.path.parent / TRASH / f"{item.path.name}.{uuid.uuid4().hex[:8]}"
    with explained(item.path):
        place.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # somebody else collects at the same time
            item.path.rename(place)
    return place


def _put_back(item: Item, place: Path) -> bool:
    """False where it has been made again in the meantime."""
    try:
        place.rename(item.path)
    except OSError:
        return False
    return True


def _delete(place: Path) -> None:
    with explained(place), contextlib.suppress(FileNotFoundError):
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()
    with contextlib.suppress(OSError):  # there is more in it
        place.parent.rmdir()
