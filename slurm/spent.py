"""Submissions that nobody will look at any more."""

from collections.abc import Iterable, Set
from pathlib import Path

from gesturebench.slurm.submission import Submission


def spent_submissions(history: Iterable[Submission], finished: Set[str]) -> list[Path]:
    """Folders of submissions of which every step is finished or was submitted again later; the history is in order of
    time. The last one of a step that is not finished tells what became of it, where its log is, and its profile."""
    history = list(history)
    last = {key: found.nonce for found in history for _, keys in found.places() for key in keys}
    return [
        found.folder
        for found in history
        if all(key in finished or last[key] != found.nonce for _, keys in found.places() for key in keys)
    ]
