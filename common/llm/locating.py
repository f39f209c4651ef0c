"""When the words that a language model named are spoken.

Two walks over the timed words. `released` is RAG-Gesture's: a timed word serves the first phrase that contains it and
is still open, a phrase closes with its last word, so "house" alone stands for "small house" and two far words can span
seconds. `whole` takes a phrase where all of it is spoken in a row. Both leave out what is not spoken, and order by
time.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from gesturebench.common.corpus.clip import Word
from gesturebench.common.llm.parsing import Kind, SemanticWord
from gesturebench.common.retrieval.prominence import cleaned

Walk = Literal["whole", "released"]


class LocatedWord(NamedTuple):
    """A word in small letters, its kind, and the seconds from the start to the end of where it is spoken."""

    word: str
    kind: Kind
    start_s: float
    end_s: float


def locate(words: Sequence[SemanticWord], timed_words: Sequence[Word], walk: Walk = "whole") -> list[LocatedWord]:
    """The words that are spoken, by the time of their first timed word.

    >>> locate([SemanticWord("Over there", "deictic")], [Word("over", 1.0, 1.2), Word("there.", 1.2, 1.5)])
    [LocatedWord(word='over there', kind='deictic', start_s=1.0, end_s=1.5)]
    """
    spoken = [_plain(word.text) for word in timed_words]
    runs = _whole(words, spoken) if walk == "whole" else _released(words, spoken)
    located = []
    for (word, kind), members in runs:
        hits = [timed_words[index] for index in members]
        name = _plain(word) if walk == "released" else word.casefold()
        span = min(hit.start_s for hit in hits), max(hit.end_s for hit in hits)
        located.append((members[0], LocatedWord(name, kind, *span)))
    return [found for _, found in sorted(located, key=lambda row: row[0])]


Run = tuple[SemanticWord, list[int]]
"""A word and the positions of the timed words that are it."""


def _whole(words: Sequence[SemanticWord], spoken: Sequence[str]) -> Iterator[Run]:
    """The first run of timed words that spells the phrase and belongs to no other; spaces do not count, transcripts may
    write "do n't"."""
    taken: set[int] = set()
    for pair in words:
        wanted = _plain(pair.word).replace(" ", "")
        runs = (run for start in range(len(spoken)) if (run := _spelling(wanted, spoken, start)))
        run = next((run for run in runs if taken.isdisjoint(run)), None)
        if run:
            taken.update(run)
            yield pair, run


def _spelling(wanted: str, spoken: Sequence[str], start: int) -> list[int] | None:
    """The positions from `start` whose words spell `wanted`, punctuation between them aside."""
    members, rest = [], wanted
    for index in range(start, len(spoken)):
        part = spoken[index].replace(" ", "")
        if part and not rest.startswith(part):
            return None
        if part:
            members.append(index)
            rest = rest.removeprefix(part)
        if not rest or not members:
            break
    return members if members and not rest else None


def _released(words: Sequence[SemanticWord], spoken: Sequence[str]) -> Iterator[Run]:
    entries = [_plain(word) for word, _ in words]
    found: list[list[int]] = [[] for _ in words]
    closed = [False] * len(words)
    for index, word in enumerate(spoken):
        for position, entry in enumerate(entries):
            if not closed[position] and word and (word == entry or word in entry.split()):
                found[position].append(index)
                closed[position] = word in (entry, entry.split()[-1])
                break
    return ((pair, members) for pair, members in zip(words, found, strict=True) if members)


def _plain(text: str) -> str:
    return cleaned(text).casefold().strip()
