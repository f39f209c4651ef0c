"""Scoring: every pair once through all metrics, so that what metrics share (files, joint positions) is made once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gesturebench.common.corpus.exported import NotGiven
from gesturebench.common.corpus.given import as_given
from gesturebench.common.corpus.protocol import Protocol
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.units import Pair, Unit, load_scored, matched
from gesturebench.common.errors import InputError
from gesturebench.common.progress import Progress, silent
from gesturebench.evaluators.base import Evaluator

PerUnit = dict[str, dict[str, float]]
"""By unit id what the unit contributed to each column, and its `frames`, the weight of its values."""


@dataclass
class Scores:
    """By metric its numbers, what each unit contributed, or why it could not be had; `units` that were scored."""

    numbers: dict[str, dict[str, Any]] = field(default_factory=dict)
    per_unit: dict[str, PerUnit] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    units: list[Unit] = field(default_factory=list)
    frames: int = 0


def score(
    evaluators: Mapping[str, Evaluator],
    pairs: Iterable[Pair],
    n: int,
    progress: Progress = silent,
    optional: frozenset[str] = frozenset(),
) -> Scores:
    """Numbers of `n` pairs. A metric that is `optional` may miss what it needs and is then left out, with the reason;
    a fault of a pair is never passed over. Further samples of a unit are shown only to metrics that take several."""
    scores, able = Scores(per_unit={metric: {} for metric in evaluators}), dict(evaluators)
    for done, pair in enumerate(pairs, start=1):
        for metric in [metric for metric in able if pair.sample == 0 or able[metric].takes_samples]:
            try:
                values = _update(able[metric], pair)
            except NotGiven as error:
                _leave_out(scores, able, metric, error, optional)
            else:
                scores.per_unit[metric][pair.unit.id] = {**values, "frames": pair.prediction.n_frames}
        if pair.sample == 0:
            scores.units.append(pair.unit)
            scores.frames += pair.prediction.n_frames
        progress(done, n)
    for metric, evaluator in list(able.items()):
        try:
            scores.numbers[metric] = evaluator.compute()
        except InputError as error:
            _leave_out(scores, able, metric, error, optional)
    return scores


def _update(evaluator: Evaluator, pair: Pair) -> dict[str, float]:
    unit = {"unit": pair.unit.id} if evaluator.takes_samples or evaluator.by_unit else {}
    given = {"given": pair.given} if evaluator.takes_given and pair.given is not None else {}
    return evaluator.update(pair.prediction, pair.clip, **unit, **given)


def _leave_out(
    scores: Scores, able: dict[str, Evaluator], metric: str, error: InputError, optional: frozenset[str]
) -> None:
    if metric not in optional:
        raise error
    del able[metric]
    del scores.per_unit[metric]
    scores.left_out[metric] = str(error)


def pairs_of(
    protocol: Protocol, units: Sequence[Unit], files: Mapping[str, Path], store: ClipStore, draw: int = 0
) -> Iterator[Pair]:
    """The pairs of `units` from whole-clip motion files by clip id; units of one clip follow each other. `draw` is the
    seed of a run, by which poses that a protocol gives may be drawn."""
    loaded: str | None = None
    for unit in units:
        if unit.clip_id != loaded:
            prediction, clip, loaded = load_scored(files[unit.clip_id]), store.clip(unit.clip_id), unit.clip_id
        pair = matched(unit, prediction, clip, protocol.length, protocol.reference)
        yield as_given(pair, protocol.given, store, draw)
