"""TextGrids as Praat reads them: whatever stands between the numbers, the quoted texts and the flags is decoration.

That rule of Praat's manual ("reading text files: only free-standing numbers, texts in double quotes and flags in angle
brackets count") makes one reader of the long and the short format. Encodings are UTF-8 and, with its byte order mark,
UTF-16.
"""

import codecs
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gesturebench.common.corpus.clip import Word

_TOKEN = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"|(?P<comment>![^\n]*)|<(?P<flag>\w+)>|(?<!\S)(?P<number>[-+]?[\d.]+(?:[eE][-+]?\d+)?)(?!\S)'
)


@dataclass(frozen=True)
class IntervalTier:
    """A tier of intervals, silent ones with an empty text."""

    name: str
    intervals: tuple[Word, ...]


def parse_textgrid(data: bytes) -> tuple[list[IntervalTier], float]:
    """The interval tiers of a grid and its end in seconds; point tiers are passed over. A `ValueError` says what is
    wrong with the bytes.

    >>> parse_textgrid(b'"ooTextFile" "TextGrid" 0 1 <exists> 1 "IntervalTier" "words" 0 1 1  0.2 0.7 "hi"')
    ([IntervalTier(name='words', intervals=(Word(text='hi', start_s=0.2, end_s=0.7),))], 1.0)
    """
    tokens = _Tokens(_decoded(data))
    if not tokens.text().startswith("ooTextFile") or tokens.text() != "TextGrid":
        raise ValueError("the file does not begin as a TextGrid")
    _, end_s = tokens.number(), tokens.number()
    tiers = []
    if tokens.flag() == "exists":
        tiers = [_tier(tokens) for _ in range(tokens.count())]
    return [tier for tier in tiers if tier is not None], end_s


def _tier(tokens: "_Tokens") -> IntervalTier | None:
    kind, name, _, _ = tokens.text(), tokens.text(), tokens.number(), tokens.number()
    if kind == "IntervalTier":
        return IntervalTier(name, tuple(_interval(tokens) for _ in range(tokens.count())))
    if kind != "TextTier":
        raise ValueError(f"a tier of class {kind!r}")
    for _ in range(tokens.count()):
        tokens.number(), tokens.text()
    return None


def _interval(tokens: "_Tokens") -> Word:
    start_s, end_s, text = tokens.number(), tokens.number(), tokens.text()
    if start_s < 0 or end_s < start_s:
        raise ValueError(f"an interval from {start_s:g} s to {end_s:g} s")
    return Word(text, start_s, end_s)


class _Tokens:
    """The numbers, texts and flags of a file, taken one after the other."""

    def __init__(self, text: str):
        self._matches: Iterator[re.Match[str]] = (m for m in _TOKEN.finditer(text) if m.lastgroup != "comment")

    def _next(self, kind: str) -> str:
        match = next(self._matches, None)
        if match is None:
            raise ValueError(f"the file ends where a {kind} should follow")
        if match.lastgroup != kind:
            raise ValueError(f"{match[0][:40]!r} where a {kind} should stand")
        return match[kind]

    def text(self) -> str:
        return self._next("text").replace('""', '"')

    def flag(self) -> str:
        return self._next("flag")

    def number(self) -> float:
        number = float(self._next("number"))
        if not math.isfinite(number):
            raise ValueError(f"{number} s")
        return number

    def count(self) -> int:
        return int(self._next("number"))


def _decoded(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    return data.decode("utf-8-sig")
