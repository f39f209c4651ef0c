"""Words as a speech recogniser heard them, with times: the JSON of Whisper and its relatives."""

from pathlib import Path
from typing import Any

from gesturebench.common.corpus.annotations import broken, interval, named
from gesturebench.common.corpus.clip import Word
from gesturebench.common.files import read_json

_EXPECTED = "segments[].words[] with word, start and end"


def read_whisper(path: Path) -> tuple[Word, ...]:
    """`whisper_transcription/<id>.json`: the words in the order of the file, without the blanks around them.

    Read are `segments[].words[]` (Whisper, whisper-timestamped, WhisperX), a flat `words` or `word_segments` list,
    `chunks[]` with a `timestamp` pair, and any of these lists bare. A word is called `word` or `text`. Words without
    times, which WhisperX leaves where it could not align, are left out.
    """
    value = read_json(path)
    try:
        found = [_word(entry) for entry in _entries(value)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise broken(path, f"not a transcript with word times ({named(error)})", _EXPECTED) from error
    return tuple(word for word in found if word is not None and word.text)


def _entries(value: Any) -> list[dict[str, Any]]:
    """The word records, wherever they are."""
    if isinstance(value, dict):
        keys = [key for key in ("segments", "words", "word_segments", "chunks") if key in value]
        if not keys:
            raise KeyError("segments")
        value = value[keys[0]]
    if not any("words" in entry for entry in value):
        if any("segments" in entry or "tokens" in entry or "seek" in entry for entry in value):
            raise KeyError("words")
        return value
    return [word for segment in value for word in segment["words"]]


def _word(entry: dict[str, Any]) -> Word | None:
    text = entry["word"] if "word" in entry else entry["text"]
    start, end = entry["timestamp"] if "timestamp" in entry else (entry.get("start"), entry.get("end"))
    if start is None or end is None:
        return None
    return Word(text.strip(), *interval(start, end))
