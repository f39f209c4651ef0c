"""Examining metrics: every intervention on every clip, each pair made once and shown to all metrics."""

import contextlib
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gesturebench.common.corpus.clip import Clip
from gesturebench.common.errors import InputError
from gesturebench.common.progress import Progress, silent
from gesturebench.evaluators.base import Evaluator
from gesturebench.evaluators.interventions import ANOTHER_CLIP, GROUND_TRUTH, Intervention, Pool, interventions

Numbers = Mapping[str, Any] | None
"""What `compute` gave, None where the metric is not defined on what it has seen."""


@dataclass(eq=False)
class Evidence:
    """What one metric said.

    `numbers` of the pool by intervention, the ground truth first; `truth`, one evaluator per clip that has seen its
    captured motion, first those of the pool, then those of further clips, with the clips' halves of the corpus and
    lengths in frames; `swapped`, the same for real motion of other clips of the pool.
    """

    numbers: dict[Intervention, Numbers] = field(default_factory=dict)
    truth: list[Evaluator] = field(default_factory=list)
    swapped: list[Evaluator] = field(default_factory=list)
    halves: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)


@dataclass(eq=False)
class Examination:
    """`evidence` by metric, and why a metric has `failed` to take in a pair or to give the ground truth a value."""

    pool: Pool
    evaluators: dict[str, Evaluator]
    evidence: dict[str, Evidence]
    failed: dict[str, str] = field(default_factory=dict)

    def show(self, act: Intervention, clips: Iterable[Clip]) -> None:
        """Let every metric score the clips under one intervention, or more clips of the ground truth."""
        whole = {metric: blank(evaluator) for metric, evaluator in self.evaluators.items()}
        for clip in clips:
            prediction, shown = act.act(clip, self.pool)
            for metric in list(self.evaluators):
                shard = blank(self.evaluators[metric])
                try:
                    shard.update(prediction, shown)
                except InputError as error:
                    self._leave_out(metric, error)
                    continue
                whole[metric].merge(shard)
                self._keep(act, clip, self.evidence[metric], shard)
        for metric in list(self.evaluators):
            self._take_numbers(metric, act, whole[metric])

    def _take_numbers(self, metric: str, act: Intervention, whole: Evaluator) -> None:
        """A metric without a value on the ground truth leaves at once; on damaged motion it may have none."""
        if act in self.evidence[metric].numbers:
            return
        try:
            self.evidence[metric].numbers[act] = whole.compute()
        except InputError as error:
            self.evidence[metric].numbers[act] = None
            if act is GROUND_TRUTH:
                self._leave_out(metric, error)

    def _keep(self, act: Intervention, clip: Clip, evidence: Evidence, shard: Evaluator) -> None:
        if act is GROUND_TRUTH:
            evidence.truth.append(shard)
            evidence.halves.append(self.pool.half(clip))
            evidence.frames.append(clip.motion.n_frames)
        elif act is ANOTHER_CLIP:
            evidence.swapped.append(shard)

    def _leave_out(self, metric: str, error: InputError) -> None:
        self.failed[metric] = str(error)
        del self.evaluators[metric], self.evidence[metric]


def examine(
    evaluators: Mapping[str, Evaluator],
    pool: Pool,
    further: Iterable[Clip] = (),
    n_further: int = 0,
    progress: Progress = silent,
) -> Examination:
    """Every intervention on the clips of `pool`; the captured motion of `n_further` clips beside, loaded one by one."""
    for evaluator in evaluators.values():
        _load_trained_part(evaluator, pool.clips[0])
    acts = list(interventions(pool))
    exam = Examination(pool, dict(evaluators), {metric: Evidence() for metric in evaluators})
    count = _counter(progress, len(acts) * len(pool.clips) + n_further)
    for act in acts:
        exam.show(act, count(pool.clips))
    exam.show(GROUND_TRUTH, count(further))
    return exam


def blank(evaluator: Evaluator) -> Evaluator:
    """An empty evaluator with the settings and the trained part of this one."""
    other = copy.copy(evaluator)
    other.reset()
    return other


def merged(shards: Sequence[Evaluator], chosen: Iterable[int]) -> Evaluator:
    whole = blank(shards[0])
    for index in chosen:
        whole.merge(shards[index])
    return whole


def computed(evaluator: Evaluator) -> Numbers:
    try:
        return evaluator.compute()
    except InputError:
        return None


def _load_trained_part(evaluator: Evaluator, clip: Clip) -> None:
    """Evaluators load it with the first pair; done before they are copied, all copies share it."""
    with contextlib.suppress(InputError):  # the examination will meet it again and tell
        evaluator.update(clip.motion, clip)
    evaluator.reset()


def _counter(progress: Progress, total: int) -> Callable[[Iterable[Clip]], Iterable[Clip]]:
    """Iterables that pass clips on and count them together."""
    seen = 0

    def count(clips: Iterable[Clip]) -> Iterable[Clip]:
        nonlocal seen
        for clip in clips:
            yield clip
            seen += 1
            progress(seen, total)

    return count
