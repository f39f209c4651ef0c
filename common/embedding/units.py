"""Units of a speech that are embedded: phrases, in frames of 30 fps."""

from collections.abc import Sequence
from math import ceil, floor

from gesturebench.common.corpus.clip import Word
from gesturebench.common.embedding.config import UnitConfig

RATE = 30


def phrase_spans(words: Sequence[Word], n_frames: int, config: UnitConfig) -> list[tuple[int, int]]:
    """First and last + 1 frame of every phrase of a clip of `n_frames`, in order and without overlap.

    A phrase ends at a pause once it is long enough, before that at a pause as long as the shortest phrase, and always
    before the word that would make it too long. What is too short after all is no unit, nor is a word longer than a
    unit may be. A clip without words has none.

    >>> said = [Word("a", 0.0, 1.0), Word("b", 1.0, 2.2), Word("c", 3.0, 4.0), Word("d", 4.1, 5.5), Word("e", 9.0, 9.5)]
    >>> phrase_spans(said, 300, UnitConfig())
    [(0, 66), (90, 165)]
    """
    found: list[tuple[int, int]] = []
    phrase: list[Word] = []
    for word in sorted(words, key=lambda word: (word.start_s, word.end_s)):
        if phrase and _is_whole(phrase, word, config):
            found += _span(phrase, n_frames, config)
            phrase = []
        phrase.append(word)
    return found + _span(phrase, n_frames, config)


def _is_whole(phrase: Sequence[Word], word: Word, config: UnitConfig) -> bool:
    """Whether a phrase ends before `word`."""
    start, end = phrase[0].start_s, max(said.end_s for said in phrase)
    enough = config.gap_s if end - start >= config.shortest_s else config.shortest_s
    return word.end_s - start > config.longest_s or word.start_s - end >= enough


def _span(phrase: Sequence[Word], n_frames: int, config: UnitConfig) -> list[tuple[int, int]]:
    """None where the phrase, as far as there is motion, has not the length of a unit."""
    if not phrase:
        return []
    start = max(0, floor(phrase[0].start_s * RATE + 1e-6))
    stop = min(n_frames, ceil(max(word.end_s for word in phrase) * RATE - 1e-6))
    shortest, longest = round(config.shortest_s * RATE), round(config.longest_s * RATE)
    return [(start, stop)] if shortest <= stop - start <= longest + 1 else []
