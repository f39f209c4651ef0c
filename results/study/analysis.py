"""From answers to preferences.

Every answer counts as one judgement, so intervals and p-values take judgements for independent of each other; those of
one participant, or of one clip, are not quite.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gesturebench.common.errors import InputError
from gesturebench.results.significance import holm
from gesturebench.results.study.agreement import fleiss_kappa, krippendorff_alpha
from gesturebench.results.study.answers import Answers
from gesturebench.results.study.binomial import clopper_pearson, sign_p
from gesturebench.results.study.design import Key


@dataclass(frozen=True)
class Preference:
    """`first` was chosen over `second` in `wins` of `n` judgements: the share's 95 % interval, p of the sign test and
    after Holm's correction over all pairs and questions; agreement of the raters, None where it is not defined."""

    first: str
    second: str
    question: str
    wins: int
    n: int
    low: float
    high: float
    p: float
    p_holm: float
    kappa: float | None
    alpha: float | None

    @property
    def share(self) -> float:
        return self.wins / self.n


@dataclass(frozen=True)
class Analysis:
    """`excluded`: participants with the number of attention checks they failed; `participants` counts the others."""

    key: Key
    preferences: tuple[Preference, ...]
    participants: int
    excluded: tuple[tuple[str, int], ...]
    clips: int


def analyse(key: Key, answers: Sequence[Answers], allowed_failures: int = 0) -> Analysis:
    """Those who failed more attention checks than are allowed are left out."""
    failures = {one.participant: one.failed_checks(key) for one in answers}
    kept = [one for one in answers if failures[one.participant] <= allowed_failures]
    excluded = tuple((name, count) for name, count in failures.items() if count > allowed_failures)
    if not kept:
        raise InputError(
            f"study {key.study}: no participant is left of {len(answers)}",
            expected="one who passed the attention checks",
            remedy="collect more answers, or allow failures with --allowed-failures",
        )
    asked = [(pair, question) for pair in key.pairs for question in key.questions]
    counts = [_counts(key, kept, pair, question) for pair, question in asked]
    totals = [(int(counts_N2[:, 0].sum()), int(counts_N2.sum())) for counts_N2 in counts]
    p_values = [sign_p(*total) for total in totals]
    found = tuple(
        Preference(
            *pair, question, *total, *clopper_pearson(*total), p, p_holm, fleiss_kappa(some), krippendorff_alpha(some)
        )
        for (pair, question), some, total, p, p_holm in zip(asked, counts, totals, p_values, holm(p_values))
    )
    return Analysis(key, found, len(kept), excluded, len({trial.clip for trial in key.trials if trial.marked is None}))


def _counts(key: Key, answers: Sequence[Answers], pair: tuple[str, str], question: str) -> np.ndarray:
    """(N, 2): for every excerpt, how often the first and how often the second of the pair was chosen."""
    trials = [trial for trial in key.trials if trial.pair == pair and trial.marked is None]
    return np.array(
        [
            [sum(one.choices[trial.id][question] == trial.videos[label] for one in answers) for label in pair]
            for trial in trials
        ]
    )
