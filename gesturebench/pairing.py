"""Pairs from a folder of predictions: against the clips of a data folder, or against the ground truth they brought."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.corpus.exported import exported_clip
from gesturebench.common.corpus.given import as_given
from gesturebench.common.corpus.layouts import RAG_WINDOW, Item, Predictions
from gesturebench.common.corpus.protocol import Protocol
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.units import Pair, Unit, load_scored, matched, referenced
from gesturebench.common.errors import InputError

TOLERANCE = 1e-2
"""Largest difference of a rotation matrix or expression coefficient that conversions of the released codes explain."""


@dataclass(frozen=True)
class Disagreement:
    """Ground truth that was saved with a prediction and is not that of the data folder: by how much, or None where its
    length is another."""

    unit: str
    difference: float | None


@dataclass
class AgainstData:
    """Predictions against a clip store; iterating yields the pairs of `units` and fills `disagreements`."""

    protocol: Protocol
    found: Predictions
    store: ClipStore
    units: tuple[Unit, ...]
    partial: bool
    disagreements: list[Disagreement] = field(default_factory=list)

    @classmethod
    def of(cls, protocol: Protocol, found: Predictions, store: ClipStore, *, partial: bool) -> "AgainstData":
        """Every unit of the protocol has its prediction, unless `partial`."""
        refuse_other_cut(protocol, found)
        units = protocol.units(store, partial=partial)
        there = tuple(unit for unit in units if found.item_of(unit) is not None)
        if len(there) < len(units) and not (partial and there):
            raise _missing(found, units, there)
        lack = protocol.lack(protocol.clips(store, partial=partial))
        return cls(protocol, found, store, there, len(there) < len(units) or lack is not None)

    def __len__(self) -> int:
        return len(self.units)

    def __iter__(self) -> Iterator[Pair]:
        loaded = prediction = clip = None
        for unit in self.units:
            item = self.found.item_of(unit)
            if item is not loaded:
                prediction, loaded = load_scored(item.prediction), item
            clip = clip if clip is not None and clip.id == unit.clip_id else self.store.clip(unit.clip_id)
            pair = matched(unit, prediction, clip, self.protocol.length, self.protocol.reference, first=item.first)
            self._compare(item, pair, clip)
            yield as_given(pair, self.protocol.given, self.store)

    def _compare(self, item: Item, pair: Pair, clip: Clip) -> None:
        if item.truth is None:
            return
        target, own = pair.clip, load_scored(item.truth)
        if self.found.truth_reference != self.protocol.reference:
            cut = clip.cut(pair.unit.start, pair.unit.start + pair.prediction.n_frames)
            target = referenced(cut, self.found.truth_reference)
        start = pair.unit.start - item.first
        difference = largest_difference(own.cut(start, start + target.motion.n_frames), target.motion)
        if difference is None or difference > TOLERANCE:
            self.disagreements.append(Disagreement(pair.unit.id, difference))


@dataclass
class AgainstOwn:
    """Predictions against the ground truth that was saved with them, which is taken as it was cut."""

    protocol: Protocol
    found: Predictions
    items: tuple[Item, ...]
    partial: bool
    disagreements: tuple[Disagreement, ...] = ()

    @classmethod
    def of(cls, protocol: Protocol, found: Predictions, *, partial: bool) -> "AgainstOwn":
        if not found.has_truth:
            raise InputError(
                f"{found.folder}: whole clips without ground truth", expected="true motion to compare with",
                remedy="pass --data DIR or --data standin:PRESET",
            )  # fmt: skip
        refuse_other_cut(protocol, found)
        refuse_foreign_poses(protocol)
        clips = set(protocol.chosen(found.clips, "add them, or pass --partial to score the rest", partial=partial))
        items = tuple(item for item in found.items if item.clip_id in clips)
        if not items:
            raise InputError(f"{found.folder}: no clip of protocol {protocol.name!r}", remedy="choose another protocol")
        return cls(protocol, found, items, protocol.lack(clips) is not None)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Pair]:
        for item in self.items:
            prediction, clip = load_scored(item.prediction), exported_clip(item)
            for unit in self._units(item, clip):
                pair = matched(unit, prediction, clip, self.protocol.length, self._reference)
                yield as_given(pair, self.protocol.given, None)

    def _units(self, item: Item, clip: Clip) -> tuple[Unit, ...]:
        if item.window is None and self.protocol.cut.window is not None:
            return self.protocol.cut.units(item.clip_id, clip.motion.n_frames)
        return (Unit(item.id, item.clip_id, 0, clip.motion.n_frames),)

    @property
    def _reference(self):
        return "captured" if self.found.truth_reference == self.protocol.reference else self.protocol.reference


def refuse_other_cut(protocol: Protocol, found: Predictions) -> None:
    """Exported windows can only be scored as the windows they are."""
    if found.layout == "rag_gesture" and protocol.cut.window != RAG_WINDOW:
        raise InputError(
            f"{found.folder}: windows of {RAG_WINDOW} frames",
            expected=f"{protocol.cut}, which protocol {protocol.name!r} scores",
            remedy="choose raggesture-spk2 or raggesture-all",
        )


def refuse_foreign_poses(protocol: Protocol) -> None:
    """Poses of other clips have to be looked up."""
    if protocol.given is not None and protocol.given.source == "foreign":
        raise InputError(
            f"protocol {protocol.name!r} gives poses of training clips",
            expected="the data they are of",
            remedy="pass --data DIR or --data standin:PRESET",
        )


def largest_difference(a: Motion, b: Motion) -> float | None:
    """Over rotation matrices and expressions; None for motions of different lengths."""
    from gesturebench.common.motion.kinematics import rotation_matrices

    if a.n_frames != b.n_frames:
        return None
    rotations = [rotation_matrices(np.asarray(m.poses, np.float64).reshape(-1, 55, 3)) for m in (a, b)]
    return float(max(np.abs(rotations[0] - rotations[1]).max(), np.abs(a.expressions - b.expressions).max()))


def _missing(found: Predictions, units: tuple[Unit, ...], there: tuple[Unit, ...]) -> InputError:
    whole = set(there)
    absent = next(unit for unit in units if unit not in whole)
    name = {"gesturebench": f"{absent.clip_id}.npz", "rag_gesture": f"{absent.id}/pred_motion.npz"}
    clips, missing = {u.clip_id for u in units}, {u.clip_id for u in units} - {u.clip_id for u in there}
    count = f"{len(missing)} of {len(clips)} clips" if missing else f"{len(units) - len(there)} of {len(units)} windows"
    return InputError(
        f"{found.folder}: no {name.get(found.layout, f'res_{absent.clip_id}.npz')} ({count} are missing)",
        expected="a prediction for every unit of the protocol",
        remedy="add them, or pass --partial to score the rest" if there else "name the files after the clips",
    )
