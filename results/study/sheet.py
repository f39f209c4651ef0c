"""An analysis as a table."""

from dataclasses import astuple, fields

from gesturebench.results.sheet import Head, Sheet, Words
from gesturebench.results.significance import ALPHA
from gesturebench.results.study.analysis import Analysis, Preference

_HEADS = ("", "Over", "Question", "Chosen", "Preference % [95 %]", "p (Holm)", "Fleiss' κ", "Krippendorff's α")


def study_sheet(found: Analysis) -> Sheet:
    """A line per pair and question; preferences that the test confirms are marked."""
    kind = "stand-in corpus, not BEAT2" if found.key.is_standin else "BEAT2"
    rows = tuple(_row(one) for one in found.preferences)
    return Sheet(
        f"{found.key.title}: user study {found.key.study}",
        f"{_counted(found.participants, 'participant')}, {_counted(found.clips, 'clip')} for every pair; {kind}",
        tuple(Head(text) for text in _HEADS),
        3,
        (("", rows),),
        tuple(_remarks(found)),
        (tuple(f.name for f in fields(Preference)), *(astuple(one) for one in found.preferences)),
    )


def _row(one: Preference) -> tuple[Words, ...]:
    share = f"{100 * one.share:.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}]"
    agreement = ("-" if value is None else f"{value:.3f}" for value in (one.kappa, one.alpha))
    texts = (one.first, one.second, one.question, f"{one.wins} of {one.n}", share, f"{one.p_holm:.3g}", *agreement)
    real = one.p_holm < ALPHA
    return tuple(Words(text, "best" if real and column == 4 else None) for column, text in enumerate(texts))


def _remarks(found: Analysis):
    checks = _counted(len(found.key.checks), "attention check")
    if found.excluded:
        told = ", ".join(f"{name} ({count} failed)" for name, count in found.excluded)
        yield f"{_counted(len(found.excluded), 'participant')} left out for failing of {checks}: {told}."
    else:
        yield f"No participant is left out for failing of {checks}."
    yield (
        "Intervals are exact (Clopper and Pearson), p is of the sign test with Holm's correction over all lines; "
        "both take judgements for independent. Marked: p below 5 %."
    )


def _counted(count: int, what: str) -> str:
    """
    >>> _counted(1, "clip"), _counted(2, "clip")
    ('1 clip', '2 clips')
    """
    return f"{count} {what}{'' if count == 1 else 's'}"
