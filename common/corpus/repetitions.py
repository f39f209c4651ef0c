"""Folders that hold several samples for the same speech, as repetitions: `rep0`, `rep1`, ...

DIR/rep0/... or DIR/<name>_rep0/...     each in a layout of `gesturebench.common.corpus.layouts`
DIR/<clip id>_rep0/<window>/...         windows of RAG-Gesture
DIR/<clip id>/<window>_rep0/...         the same

RAG-Gesture's multimodality script looks for folders `*_rep0` to `*_rep4`, which no released script writes.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from gesturebench.common.corpus.layouts import Item, Predictions, read_layout, window_folders
from gesturebench.common.errors import InputError

_REPETITION = re.compile(r"(?:(?P<stem>.+)_)?rep(?P<number>0|[1-9]\d*)")


@dataclass(frozen=True)
class Repetitions:
    """`samples` by name, `rep0` first; one without a name in a folder that holds one motion for every input."""

    folder: Path
    samples: dict[str, Predictions]

    @property
    def first(self) -> Predictions:
        return next(iter(self.samples.values()))

    def gap(self, clips: Iterable[str]) -> str | None:
        """What a repetition lacks that another one holds of `clips`, in words; None if all hold the same."""
        held = self._held(set(clips))
        union = set().union(*held.values())
        lacking = {name: sorted(union - ids) for name, ids in held.items() if ids != union}
        if not lacking:
            return None
        name, absent = next(iter(lacking.items()))
        return f"{name} lacks {absent[0]} ({sum(map(len, lacking.values()))} missing of {len(union)} x {len(held)})"

    def common(self, clips: Iterable[str]) -> "Repetitions":
        """Only what every repetition holds of `clips`; other clips are left as they are."""
        clips = set(clips)
        shared = set.intersection(*self._held(clips).values())
        if not shared:
            raise InputError(
                f"{self.folder}: nothing is in all of {', '.join(self.samples)}", remedy="add what is missing"
            )

        def kept(item: Item) -> bool:
            return item.clip_id not in clips or item.id in shared

        return replace(
            self, samples={name: replace(p, items=tuple(filter(kept, p.items))) for name, p in self.samples.items()}
        )

    def _held(self, clips: set[str]) -> dict[str, set[str]]:
        return {name: {i.id for i in found.items if i.clip_id in clips} for name, found in self.samples.items()}


def read_repetitions(folder: Path, layout: str = "auto", *, partial: bool = False) -> Repetitions:
    """The samples in `folder`, told by its contents; a folder without repetitions is one sample."""
    homes, numbers = _sample_folders(folder), _sample_windows(folder)
    repeated = [f"rep{number}" for number in sorted(numbers - {None})] + [home.name for home in homes.values()]
    single = [path.name for path in folder.glob("[!.]*.npz")] + ["windows without repetitions"] * (None in numbers)
    if repeated and (single or (homes and numbers)):
        raise InputError(
            f"{folder}: {repeated[-1]} beside {min(single, default=repeated[0])}",
            expected="motion of one kind",
            remedy="move the repetitions into a folder of their own, or pass the one folder to score",
        )
    if homes:
        samples = {f"rep{number}": read_layout(home, layout, partial=partial) for number, home in homes.items()}
    else:
        named = {f"rep{n}": n for n in sorted(numbers - {None})} or {"": None}
        samples = {name: read_layout(folder, layout, partial=partial, repetition=n) for name, n in named.items()}
    found = Repetitions(folder, samples)
    _require_one_layout(found)
    return found


def _sample_folders(folder: Path) -> dict[int, Path]:
    """The folders of whole samples by number."""
    named = [(_REPETITION.fullmatch(path.name), path) for path in folder.glob("[!.]*") if path.is_dir()]
    found = [(match, path) for match, path in named if match and not any(path.glob("*/*_motion.npz"))]
    stems = sorted({match["stem"] or "" for match, _ in found})
    if len(stems) > 1:
        first, second = (f"{stem}_rep*" if stem else "rep*" for stem in stems[:2])
        raise InputError(
            f"{folder}: repetitions of {len(stems)} kinds ({first}, {second})",
            expected="samples of one method",
            remedy="move each kind into a folder of its own",
        )
    return dict(sorted((int(match["number"]), path) for match, path in found))


def _sample_windows(folder: Path) -> set[int | None]:
    """The repetitions that windows of RAG-Gesture in this very folder name, None for those that name none."""
    if not any(folder.glob("*/*/pred_motion.npz")):
        return set()
    return {window.repetition for window in window_folders(folder)}


def _require_one_layout(found: Repetitions) -> None:
    for name, sample in found.samples.items():
        if sample.layout != found.first.layout:
            raise InputError(
                f"{sample.folder}: holds files of layout {sample.layout!r}",
                expected=f"{found.first.layout!r} in {name} as in {next(iter(found.samples))}",
                remedy="write all repetitions in one layout",
            )
