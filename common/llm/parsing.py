"""Pairs (word, gesture type) in the reply of a language model.

Two readings. `released` is that of RAG-Gesture's code, character by character: a word of at least two characters,
a comma, a type in small letters; a word may keep two types, and nothing limits how many words there are. `tolerant`
also reads types in any case, one-letter words ("I", deictic), colons, dashes and brackets between word and type, JSON
objects, typographic quotes and bold type; it skips what a reasoning model thinks aloud, takes the first type of a word
and no more words than were asked for.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["deictic", "iconic", "metaphoric"]
Reading = Literal["tolerant", "released"]


class SemanticWord(NamedTuple):
    """A word or phrase and the kind of gesture it asks for."""

    word: str
    kind: Kind


@dataclass(frozen=True)
class Reply:
    """What a reply says. `readable` is false where there is neither a pair nor the plain statement that there is none:
    such a reply is no answer."""

    words: tuple[SemanticWord, ...]
    readable: bool


def parse(text: str, reading: Reading = "tolerant", limit: int = 2) -> Reply:
    """The pairs of a reply without beats, each once; `limit` holds for the tolerant reading.

    >>> parse("Sure! [('big', 'iconic'), ('and', 'beat'), ('over there', 'deictic')]").words
    (SemanticWord(word='big', kind='iconic'), SemanticWord(word='over there', kind='deictic'))
    >>> parse("[]"), parse("I cannot help with that.")
    (Reply(words=(), readable=True), Reply(words=(), readable=False))
    """
    pairs = _released(text) if reading == "released" else _tolerant(text)
    found = list(dict.fromkeys(SemanticWord(word, kind) for word, kind in pairs if kind != "beat"))
    if reading == "tolerant":
        found = _first_of_each_word(found)[:limit]
    return Reply(tuple(found), readable=bool(pairs) or _says_none(text))


_RELEASED = re.compile(r"""['"]?(\w[\w '-]+?)['"]?,\s*['"]?(b*eat|m*etaphoric|iconic|deictic)""")
"""The type's first letter may be missing or repeated in two of the four."""


def _released(text: str) -> list[tuple[str, str]]:
    return [(word.strip(), _SPELT.get(kind[-3:], kind)) for word, kind in _RELEASED.findall(text)]


_SPELT = {"eat": "beat", "ric": "metaphoric"}

_TYPE = r"(beat|metaphoric|iconic|deictic)s?\b"
_PAIR = re.compile(
    rf"""(?:\band\s+)?["']?(\w[\w '-]*?)["']?\s*(?:,|:|=>|->|\(|\s-+\s)\s*["'(]?(?:type\s*[:=]\s*)?["']?{_TYPE}""",
    re.IGNORECASE,
)
_OBJECT = re.compile(
    rf"""["']word["']\s*:\s*["']([^"]+?)["']\s*,\s*["'](?:type|kind|gesture)["']\s*:\s*["']{_TYPE}""", re.IGNORECASE
)
_THOUGHT = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL)
_PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "→": "->", "*": None, "`": None})


def _tolerant(text: str) -> list[tuple[str, str]]:
    plain = _THOUGHT.sub("", text).translate(_PLAIN)
    return [(word.strip(), kind.lower()) for word, kind in _OBJECT.findall(plain) or _PAIR.findall(plain)]


def _first_of_each_word(found: Iterable[SemanticWord]) -> list[SemanticWord]:
    first: dict[str, SemanticWord] = {}
    for pair in found:
        first.setdefault(pair.word.casefold(), pair)
    return list(first.values())


def _says_none(text: str) -> bool:
    """An empty list, or nothing but the word "none"."""
    plain = _THOUGHT.sub("", text)
    return re.search(r"[\[(]\s*[\])]", plain) is not None or plain.strip(" \n.'\"`*").casefold() == "none"
