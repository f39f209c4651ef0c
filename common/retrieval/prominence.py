"""Matching words to the rows of a prominence annotation."""

import re
from collections.abc import Sequence

from gesturebench.common.corpus.clip import ProminentWord


def cleaned(text: str) -> str:
    """Alphanumeric characters and spaces only.

    >>> cleaned("for example,")
    'for example'
    """
    return re.sub(r"[^\w ]|_", "", text)


def prominence_of(
    entries: Sequence[str], rows: Sequence[ProminentWord], *, fold_case: bool = True
) -> list[float | None]:
    """Mean prominence per entry (a word or a multi-word connective), None where no row matches.

    Rows are walked in time order; each serves the first still-open entry that contains its word; an entry closes with
    its last word. The released code tells capitals from small letters (`fold_case` False).

    >>> prominence_of(["for example"], [ProminentWord("for", 0, 1, 0.5, 0), ProminentWord("Example", 1, 2, 1.5, 0)])
    [1.0]
    """
    plain = _folded if fold_case else cleaned
    wanted = [plain(entry) for entry in entries]
    found: list[list[float]] = [[] for _ in entries]
    closed = [False] * len(entries)
    for row in rows:
        word = plain(row.text)
        for index, entry in enumerate(wanted):
            if not closed[index] and word and (word == entry or word in entry.split()):
                found[index].append(row.prominence)
                closed[index] = word in (entry, entry.split()[-1])
                break
    return [sum(values) / len(values) if values else None for values in found]


def _folded(text: str) -> str:
    return cleaned(text).casefold()
