"""What is said: a closed vocabulary, a small grammar, discourse connectives, and the gesture each word knows.

Word frequencies are skewed on purpose (the most frequent gesture about ten times the rarest): a long tail is where
retrieval should help.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gesturebench.common.corpus.standin.lexicon import CLAUSES, CONNECTIVES, SLOTS, TAG_OF_WORD, Connective

PUNCTUATION = ".,"


@dataclass(frozen=True, slots=True)
class Token:
    """A word or punctuation mark as written; `tag` is the gesture it knows, if any."""

    surface: str
    tag: str | None = None

    @property
    def is_word(self) -> bool:
        return self.surface not in PUNCTUATION


@dataclass(frozen=True, slots=True)
class ScriptRelation:
    """An explicit discourse relation; the three spans are token indices counted over the whole script."""

    sense: str
    connective: tuple[int, ...]
    arg1: tuple[int, ...]
    arg2: tuple[int, ...]


@dataclass(frozen=True)
class Script:
    """A monologue: sentences of tokens, and the relations between their clauses."""

    sentences: tuple[tuple[Token, ...], ...]
    relations: tuple[ScriptRelation, ...]

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        return tuple(token for sentence in self.sentences for token in sentence)


def write_script(n_sentences: int, rng: np.random.Generator) -> Script:
    """A monologue of `n_sentences`; three of four sentences carry a discourse relation."""
    sentences: list[tuple[Token, ...]] = []
    relations: list[ScriptRelation] = []
    offset, previous = 0, ()
    for _ in range(n_sentences):
        tokens, relation, last_clause = _sentence(rng, offset, previous)
        sentences.append(tokens)
        relations += [relation] if relation else []
        offset, previous = offset + len(tokens), last_clause
    return Script(tuple(sentences), tuple(relations))


def _sentence(
    rng: np.random.Generator, offset: int, previous: tuple[int, ...]
) -> tuple[tuple[Token, ...], ScriptRelation | None, tuple[int, ...]]:
    connective = _pick(rng, CONNECTIVES, [c.weight for c in CONNECTIVES]) if rng.random() < 0.75 else None
    if connective and connective.initial and not previous:
        connective = _pick(rng, [c for c in CONNECTIVES if not c.initial])
    if connective is None:
        tokens = _clause(rng)
        return _closed(tokens), None, _span(offset, tokens)
    marker = _marker(connective)
    if connective.initial:
        body = _clause(rng)
        start = offset + len(marker) + 1
        arg2 = _span(start, body)
        relation = ScriptRelation(connective.sense, _span(offset, marker), previous, arg2)
        return _closed([*marker, Token(","), *body]), relation, arg2
    first, second = _clause(rng), _clause(rng)
    at = offset + len(first) + 1
    arg2 = _span(at + len(marker), second)
    relation = ScriptRelation(connective.sense, _span(at, marker), _span(offset, first), arg2)
    return _closed([*first, Token(","), *marker, *second]), relation, arg2


def _clause(rng: np.random.Generator) -> list[Token]:
    pattern = _pick(rng, list(CLAUSES), list(CLAUSES.values()))
    words = []
    for part in pattern.split():
        words += _fill(rng, part[1:-1]).split() if part.startswith("{") else [part]
    return [Token(word, TAG_OF_WORD.get(word)) for word in words]


def _fill(rng: np.random.Generator, slot: str) -> str:
    return _pick(rng, list(SLOTS[slot]), list(SLOTS[slot].values()))


def _marker(connective: Connective) -> list[Token]:
    """The connective's tokens; its last word carries the gesture ("for EXAMPLE")."""
    words = connective.text.split()
    return [Token(w) for w in words[:-1]] + [Token(words[-1], connective.tag)]


def _closed(tokens: list[Token]) -> tuple[Token, ...]:
    """Capital first letter and full stop."""
    head = Token(tokens[0].surface.capitalize(), tokens[0].tag)
    return (head, *tokens[1:], Token("."))


def _span(start: int, tokens: list[Token]) -> tuple[int, ...]:
    return tuple(range(start, start + len(tokens)))


def _pick(rng: np.random.Generator, items, weights=None):
    p = None if weights is None else np.asarray(weights, float) / np.sum(weights)
    return items[int(rng.choice(len(items), p=p))]
