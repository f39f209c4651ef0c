"""The annotation files of a clip: TextGrid, gesture labels, discourse relations, prominence, and the stand-in's truth.

Every reader takes a path and returns a tuple of small records in the order of the file; a broken file is an
`InputError` that names it.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from gesturebench.common.corpus.clip import GestureLabel, ProminentWord, Relation, TruthEvent, Word
from gesturebench.common.corpus.textgrid import parse_textgrid
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json

_SILENCE = {"", "sil", "sp", "<eps>"}
_REMEDY = "restore the file, or delete it: a missing annotation is an empty one"
Row = TypeVar("Row")


def read_textgrid(path: Path) -> tuple[tuple[Word, ...], tuple[Word, ...], float]:
    """Words (first tier), phones (second tier, if any) and the end of the grid in seconds; silence is dropped.

    Praat's long and short text formats are read; a last interval that rounding pushed past the end is accepted.
    """
    tiers, end_s = _interval_tiers(path)
    words, phones = (*tiers.values(), ())[:2]
    return words, phones, end_s


def read_transcript(path: Path) -> tuple[Word, ...]:
    """`whisper_transcription/<id>.TextGrid`: the tier that is called words, or the first one."""
    tiers, _ = _interval_tiers(path)
    return next((words for name, words in tiers.items() if "word" in name.lower()), next(iter(tiers.values())))


def _interval_tiers(path: Path) -> tuple[dict[str, tuple[Word, ...]], float]:
    """Spoken intervals by tier, and the end of the grid."""
    if not path.is_file():
        raise InputError(f"{path}: no such file", expected="a TextGrid", remedy="correct the path")
    try:
        tiers, end_s = parse_textgrid(path.read_bytes())
    except ValueError as error:
        raise broken(path, f"not a TextGrid ({error})", "Praat's long or short text format") from error
    if not tiers:
        raise broken(path, "no interval tier", "tier 1 words, tier 2 phones")
    spoken = {f"{k} {tier.name}": tuple(_spoken(tier.intervals)) for k, tier in enumerate(tiers)}
    return spoken, end_s


def _spoken(intervals: Iterable[Word]) -> Iterator[Word]:
    for interval in intervals:
        text = interval.text.strip()
        if text not in _SILENCE:
            yield Word(text, interval.start_s, interval.end_s)


def read_labels(path: Path) -> tuple[GestureLabel, ...]:
    """`sem/<id>.txt`: name, start, end, duration, score and, in most rows, a keyword; `NaN` is no keyword."""

    def label(columns: list[str]) -> GestureLabel:
        if len(columns) not in (5, 6):
            raise ValueError(f"{len(columns)} columns")
        word = columns[5].strip() if len(columns) == 6 else ""
        word = "" if word.lower() == "nan" else word
        return GestureLabel(columns[0], *interval(*columns[1:3]), _number(columns[4]), word)

    return _table(path, label, "name, start, end, duration, score and an optional keyword, separated by tabs")


def read_prominence(path: Path) -> tuple[ProminentWord, ...]:
    """`prom/<id>.prom`: id, start, end, word, prominence, boundary."""

    def word(columns: list[str]) -> ProminentWord:
        if len(columns) != 6:
            raise ValueError(f"{len(columns)} columns")
        return ProminentWord(columns[3], *interval(*columns[1:3]), *map(_number, columns[4:]))

    return _table(path, word, "id, start, end, word, prominence, boundary, separated by tabs")


def read_relations(path: Path) -> tuple[Relation, ...]:
    """`discourse_rels/<id>_whisper_relations.json`: the explicit relations, with times from their tokens.

    Token lists index the tokens of all sentences in a row. Relations without a connective (implicit ones) are left out.
    """
    value = read_json(path)
    try:
        tokens = [token for sentence in value["sentences"] for token in sentence["tokens"]]
        times = [interval(token["startSec"], token["endSec"]) for token in tokens]
        explicit = [relation for relation in value["relations"] if relation["Connective"]["TokenList"]]
        return tuple(_relation(relation, times) for relation in explicit)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise broken(path, f"not a list of relations ({named(error)})", "sentences[].tokens[], relations[]") from error


def read_tokens(path: Path) -> tuple[Word, ...]:
    """`discourse_rels/<id>_whisper_relations.json`: the tokens of all sentences in a row, without blanks in them."""
    value = read_json(path)
    try:
        tokens = [token for sentence in value["sentences"] for token in sentence["tokens"]]
        return tuple(Word(t["surface"].replace(" ", ""), *interval(t["startSec"], t["endSec"])) for t in tokens)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        expected = "sentences[].tokens[] with surface, startSec, endSec"
        raise broken(path, f"not a list of tokens ({named(error)})", expected) from error


def _relation(relation: dict[str, Any], times: list[tuple[float, float]]) -> Relation:
    def span(*parts: str) -> tuple[float, float]:
        indices = [index for part in parts for index in relation[part]["TokenList"]]
        if min(indices) < 0:
            raise IndexError(f"token {min(indices)}")
        starts, ends = zip(*(times[index] for index in indices))
        return min(starts), max(ends)

    whole, connective = span("Connective", "Arg1", "Arg2"), span("Connective")
    return Relation(relation["Connective"]["RawText"], relation["Sense"][0], *whole, *connective)


def read_truth(path: Path) -> tuple[TruthEvent, ...]:
    """`truth/<id>.json` of the stand-in corpus: the gestures that were really made."""
    value = read_json(path)
    try:
        keys = [field.name for field in fields(TruthEvent)]
        return tuple(TruthEvent(*(event[key] for key in keys)) for event in value["events"])
    except (KeyError, TypeError) as error:
        raise broken(path, f"not a truth file ({named(error)})", "events[] with the fields of a TruthEvent") from error


def _table(path: Path, parse: Callable[[list[str]], Row], columns: str) -> tuple[Row, ...]:
    """Rows of a tab-separated file; the first fault names its line."""
    rows = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise broken(path, f"not a text file ({error})", columns) from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                rows.append(parse(line.split("\t")))
            except ValueError as error:
                raise broken(path, f"line {number}: {error}", columns) from error
    return tuple(rows)


def interval(start: Any, end: Any) -> tuple[float, float]:
    """Two finite times in order, from 0 on; else a `ValueError`."""
    start_s, end_s = _number(start), _number(end)
    if start_s < 0:
        raise ValueError(f"starts at {start_s:g} s, before the recording")
    if end_s < start_s:
        raise ValueError(f"ends at {end_s} s before it starts at {start_s} s")
    return start_s, end_s


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number


def named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def broken(path: Path, what: str, expected: str) -> InputError:
    return InputError(f"{path}: {what}", expected=expected, remedy=_REMEDY)
