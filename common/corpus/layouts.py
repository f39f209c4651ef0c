"""Folders of motion that others generated: which layout a folder has, and which file is the prediction of which clip.

gesturebench            DIR/<clip id>.npz, whole clips
emage, mambatalk        DIR/[<epoch>/]res_<clip id>.npz and gt_<clip id>.npz, cut to the generated length
rag_gesture             DIR/<clip id>/<window>/pred_motion.npz, gt_motion.npz and gt_audio.wav, windows of 10 s

All files have BEAT2's npz keys; see `gesturebench.common.motion.export`. Folders with several samples for every input
are read by `gesturebench.common.corpus.repetitions`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from gesturebench.common.corpus.units import Reference, Unit
from gesturebench.common.errors import InputError, unknown_name

Layout = Literal["gesturebench", "emage", "mambatalk", "rag_gesture"]
"""Whose code wrote the folder. EMAGE and MambaTalk write the same files; `auto` calls both `emage`."""

RAG_WINDOW = 300
"""Frames from the start of one RAG-Gesture window to the next, at 30 fps."""
_DESCRIBED = "<clip id>.npz, res_<clip id>.npz with gt_<clip id>.npz, or <clip id>/<window>/pred_motion.npz"


@dataclass(frozen=True)
class Item:
    """One predicted motion: its clip, the clip's frame that is its frame 0, and the ground truth and audio that were
    saved with it."""

    clip_id: str
    prediction: Path
    truth: Path | None = None
    audio: Path | None = None
    window: int | None = None

    @property
    def first(self) -> int:
        return 0 if self.window is None else RAG_WINDOW * self.window

    @property
    def id(self) -> str:
        return self.clip_id if self.window is None else f"{self.clip_id}/{self.window}"


@dataclass(frozen=True)
class Predictions:
    """A folder of predictions as found."""

    folder: Path
    layout: Layout
    items: tuple[Item, ...]

    @property
    def clips(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.clip_id for item in self.items))

    @property
    def has_truth(self) -> bool:
        return self.layout != "gesturebench"

    @property
    def truth_reference(self) -> Reference:
        """What was done to the ground truth before it was saved."""
        return "raggesture_export" if self.layout == "rag_gesture" else "captured"

    def item_of(self, unit: Unit) -> Item | None:
        """The prediction that holds the unit's first frame."""
        items = [item for item in self._by_clip.get(unit.clip_id, ()) if item.first <= unit.start]
        if not items or (items[-1].window is not None and unit.start >= items[-1].first + RAG_WINDOW):
            return None
        return items[-1]

    @cached_property
    def _by_clip(self) -> dict[str, list[Item]]:
        found: dict[str, list[Item]] = {}
        for item in self.items:
            found.setdefault(item.clip_id, []).append(item)
        return found


def read_layout(
    folder: Path, layout: str = "auto", *, partial: bool = False, repetition: int | None = None
) -> Predictions:
    """The predictions in `folder`; its layout is told by its contents unless it is named.

    What lacks its other half (a pair's, a window's) is an `InputError`, or left out if `partial`. With `repetition`
    the windows whose own or whose clip's folder ends in `_rep<number>`.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", expected="a folder of predictions", remedy="correct the path")
    if layout not in ("auto", *get_args(Layout)):
        raise unknown_name("layout", layout, ["auto", *get_args(Layout)])
    found = detected(folder)
    if layout == "mambatalk" and found == "emage":
        found = "mambatalk"
    if layout not in ("auto", found):
        raise InputError(
            f"{folder}: holds files of layout {found!r}", expected=repr(layout), remedy=f"pass --layout {found}"
        )
    read = _READERS[found](folder, partial) if repetition is None else _windows(folder, partial, repetition)
    items = sorted(read, key=lambda item: (item.clip_id, item.first))
    if not items:
        raise InputError(f"{folder}: no whole prediction", expected=_DESCRIBED, remedy="generate them again")
    return Predictions(folder, found, tuple(items))


def detected(folder: Path) -> Layout:
    """The layout of a folder, from the names in it."""
    names = [path.name for path in folder.glob("[!.]*.npz")]
    paired = [name for name in names if _is_half(name)]
    if paired and len(paired) < len(names):
        other = min(set(names) - set(paired))
        raise InputError(
            f"{folder}: {min(paired)} beside {other}",
            expected="files of one layout",
            remedy="move one kind into a folder of its own",
        )
    if names:
        return "emage" if paired else "gesturebench"
    if any(folder.glob("*/*/pred_motion.npz")) or any(folder.glob("*/*/gt_motion.npz")):
        return "rag_gesture"
    if any(folder.glob("*/res_*.npz")):
        return "emage"
    deeper = next(folder.glob("*/*/*/pred_motion.npz"), None)
    remedy = f"pass {deeper.parents[2]}" if deeper else "pass the folder that the motion was written to"
    raise InputError(f"{folder}: no predictions", expected=_DESCRIBED, remedy=remedy)


def _is_half(name: str) -> bool:
    return name.startswith(("res_", "gt_"))


def _whole_clips(folder: Path, partial: bool) -> Iterator[Item]:
    for path in folder.glob("[!.]*.npz"):
        yield Item(path.stem, path)


def _pairs(folder: Path, partial: bool) -> Iterator[Item]:
    home = folder if any(folder.glob("res_*.npz")) or any(folder.glob("gt_*.npz")) else _epoch(folder)
    ids = {path.stem.split("_", 1)[1] for path in home.glob("*.npz") if _is_half(path.name)}
    for clip_id in ids:
        prediction, truth = home / f"res_{clip_id}.npz", home / f"gt_{clip_id}.npz"
        if prediction.is_file() and truth.is_file():
            yield Item(clip_id, prediction, truth)
        elif not partial:
            raise _half(prediction if truth.is_file() else truth, truth if truth.is_file() else prediction)


def _epoch(folder: Path) -> Path:
    """The only sub-folder with pairs."""
    found = sorted({path.parent for path in folder.glob("*/res_*.npz")})
    if len(found) > 1:
        raise InputError(
            f"{folder}: predictions of {len(found)} epochs ({', '.join(path.name for path in found)})",
            expected="one",
            remedy=f"pass the sub-folder to score, such as {found[-1]}",
        )
    return found[0]


_WINDOW = re.compile(r"(?P<clip>[^/]+?)(_rep(?P<of_clip>\d+))?/(?P<window>\d+)(_rep(?P<of_window>\d+))?")


@dataclass(frozen=True)
class WindowFolder:
    """Where a window's files lie, and what the names on the way there say."""

    path: Path
    clip_id: str
    window: int
    repetition: int | None


def window_folders(folder: Path) -> Iterator[WindowFolder]:
    """Everything that is laid out as windows of clips."""
    clips = [path for path in folder.glob("[!.]*_*") if path.name.split("_")[0].isdecimal()]
    for home in (path for clip in clips for path in clip.glob("[!.]*") if path.is_dir()):
        named = _WINDOW.fullmatch(f"{home.parent.name}/{home.name}")
        if named is None:
            raise InputError(
                f"{home}: not a window", expected="folders <clip id>/<number>", remedy="move it out of the predictions"
            )
        number = named["of_clip"] or named["of_window"]
        yield WindowFolder(home, named["clip"], int(named["window"]), None if number is None else int(number))


def _windows(folder: Path, partial: bool, repetition: int | None = None) -> Iterator[Item]:
    for found in (found for found in window_folders(folder) if found.repetition == repetition):
        home = found.path
        prediction, truth, audio = (home / name for name in ("pred_motion.npz", "gt_motion.npz", "gt_audio.wav"))
        if prediction.is_file() and truth.is_file():
            _refuse_long_form(home.parent)
            yield Item(found.clip_id, prediction, truth, audio if audio.is_file() else None, found.window)
        elif not partial:
            raise _half(truth if prediction.is_file() else prediction, home)


def _refuse_long_form(clip: Path) -> None:
    whole = clip / "full_pred_motion.npz"
    if whole.exists():
        raise InputError(
            f"{whole}: {clip.name} was synthesised in one piece, its windows overlap",
            expected="the windows of the test set",
            remedy=f"copy that file to <folder>/{clip.name}.npz and score whole clips",
        )


def _half(missing: Path, beside: Path) -> InputError:
    return InputError(
        f"{missing}: no such file beside {beside.name}",
        expected="prediction and ground truth",
        remedy="generate the clip again, or pass --partial to leave it out",
    )


_READERS = {"gesturebench": _whole_clips, "emage": _pairs, "mambatalk": _pairs, "rag_gesture": _windows}
