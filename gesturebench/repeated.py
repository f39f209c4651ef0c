"""Several samples for every unit: which metrics can have them, and their pairs, unit by unit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gesturebench.common.config import Config
from gesturebench.common.corpus.layouts import Predictions
from gesturebench.common.corpus.protocol import Protocol
from gesturebench.common.corpus.repetitions import Repetitions
from gesturebench.common.corpus.units import Pair
from gesturebench.common.errors import InputError
from gesturebench.evaluators.registry import get_evaluator
from gesturebench.pairing import AgainstData, AgainstOwn, Disagreement

Pairs = AgainstData | AgainstOwn


@dataclass
class Repeated:
    """Pairs of every sample; the first holds every unit, what a later one lacks is passed over. `reduced`: to the units
    that all of them hold."""

    samples: Sequence[Pairs]
    names: Sequence[str]
    reduced: bool

    @property
    def first(self) -> Pairs:
        return self.samples[0]

    @property
    def partial(self) -> bool:
        return self.reduced or self.first.partial

    @property
    def disagreements(self) -> list[Disagreement]:
        """One for each unit."""
        return list({one.unit: one for sample in reversed(self.samples) for one in sample.disagreements}.values())

    def __len__(self) -> int:
        return sum(map(len, self.samples))

    def __iter__(self) -> Iterator[Pair]:
        """All samples of a unit, then those of the next: what waits for its last sample stays small."""
        later = [iter(sample) for sample in self.samples[1:]]
        waiting = [next(pairs, None) for pairs in later]
        for pair in self.first:
            yield pair
            for k, other in enumerate(waiting):
                if other is not None and other.unit.id == pair.unit.id:
                    yield replace(other, sample=k + 1)
                    waiting[k] = next(later[k], None)
        for name, other in zip(self.names[1:], waiting):
            if other is not None:
                raise InputError(
                    f"{name}: {other.unit.id}, which {self.names[0]} does not hold",
                    expected="the same units in every repetition",
                    remedy=f"add it to {self.names[0]}, or leave it out",
                )


@dataclass(frozen=True)
class Sampling:
    """The repetitions that are scored, the first alone where no metric can have several; why metrics cannot; whether
    they were `reduced` to what all of them hold."""

    found: Repetitions
    left_out: Mapping[str, str]
    reduced: bool = False

    def pairs(self, pair_up: Callable[[Predictions, bool], Pairs], partial: bool) -> Repeated:
        """Pairs from `pair_up(predictions, partial)`."""
        first, *others = self.found.samples.values()
        samples = [pair_up(first, partial), *(pair_up(other, True) for other in others)]
        return Repeated(samples, list(self.found.samples), self.reduced)


def sampling(
    found: Repetitions, protocol: Protocol, configs: Mapping[str, Config], *, partial: bool, optional: frozenset[str]
) -> Sampling:
    """What is scored of the repetitions. A metric that is not `optional` and cannot have its samples is an error;
    if `partial`, units that a repetition lacks are left out for all metrics."""
    takers = {metric: config for metric, config in configs.items() if get_evaluator(metric).takes_samples}
    faults = {metric: _miscounted(metric, config, found) for metric, config in takers.items()}
    clips = protocol.chosen({clip for one in found.samples.values() for clip in one.clips}, "", partial=True)
    gap = found.gap(clips) if None in faults.values() else None
    reduced = gap is not None and partial
    if gap is not None and not partial:
        faults |= {m: _incomplete(found, gap) for m, c in takers.items() if not faults[m] and c.missing == "refuse"}
    for metric, fault in faults.items():
        if fault is not None and metric not in optional:
            raise fault
    left_out = {metric: str(fault) for metric, fault in faults.items() if fault is not None}
    if len(left_out) == len(takers):
        name, first = next(iter(found.samples.items()))
        return Sampling(Repetitions(found.folder, {name: first}), left_out)
    return Sampling(found.common(clips) if reduced else found, left_out, reduced)


def _miscounted(metric: str, config: Config, found: Repetitions) -> InputError | None:
    n, needed = len(found.samples), config.samples
    if n == needed or (config.missing == "released" and 1 < n < needed):
        return None
    return InputError(
        f"{metric}: {found.folder} holds {n} sample{'s' * (n > 1)} of each unit",
        expected=f"{needed}, in folders rep0 to rep{needed - 1}",
        remedy=f"pass --set {metric}.samples={n}" if n > 1 else "generate with further seeds",
    )


def _incomplete(found: Repetitions, gap: str) -> InputError:
    return InputError(
        f"{found.folder}: {gap}",
        expected="every unit in every repetition",
        remedy="add it, or pass --partial to score what all of them hold",
    )
