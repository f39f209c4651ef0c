"""Transcripts of speech recognisers, in the shapes their programs write."""

import json

import pytest

from gesturebench.common.corpus.beat2 import Beat2Folder
from gesturebench.common.corpus.clip import Word
from gesturebench.common.corpus.transcript import read_whisper
from gesturebench.common.errors import InputError

from .conftest import textgrid

ID = "2_scott_0_1_1"
EXPECTED = (Word("But", 0.3, 0.55), Word("climbing,", 0.55, 1.2))
FLAT = [{"word": " But", "start": 0.3, "end": 0.55}, {"word": " climbing,", "start": 0.55, "end": 1.2}]
AS_TEXT = [{"text": entry["word"], "start": entry["start"], "end": entry["end"], "confidence": 0.9} for entry in FLAT]
SHAPES = {
    "whisper": {"text": "", "language": "en", "segments": [{"id": 0, "words": FLAT[:1]}, {"id": 1, "words": FLAT[1:]}]},
    "whisper-timestamped": {"segments": [{"words": AS_TEXT}]},
    "whisperx": {"segments": [{"words": [*FLAT, {"word": "2014"}]}], "word_segments": FLAT},
    "flat": {"task": "transcribe", "words": FLAT},
    "word segments": {"word_segments": FLAT},
    "chunks": {"chunks": [{"text": e["word"], "timestamp": [e["start"], e["end"]]} for e in FLAT]},
    "bare segments": [{"words": FLAT}],
    "bare words": FLAT,
}


def write(path, value) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_in_the_wild(tmp_path, shape):
    write(tmp_path / "a.json", SHAPES[shape])
    assert read_whisper(tmp_path / "a.json") == EXPECTED


@pytest.mark.parametrize("value", [{"segments": []}, {"words": []}, [], {"segments": [{"words": []}]}])
def test_silence(tmp_path, value):
    write(tmp_path / "a.json", value)
    assert read_whisper(tmp_path / "a.json") == ()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"text": "hello"}, "KeyError: 'segments'"),
        ({"segments": [{"seek": 0, "text": "hello", "start": 0, "end": 1}]}, "KeyError: 'words'"),
        ({"words": [{"start": 0, "end": 1}]}, "KeyError: 'text'"),
        ({"words": [{"word": "a", "start": "x", "end": 1}]}, "could not convert"),
        ({"words": [{"word": "a", "start": -0.5, "end": 1}]}, "starts at -0.5 s"),
        ({"words": [{"word": "a", "start": 2, "end": 1}]}, "ends at 1.0 s before it starts"),
        ({"words": [{"word": 7, "start": 0, "end": 1}]}, "AttributeError"),
        ({"chunks": [{"text": "a", "timestamp": [1]}]}, "ValueError"),
        ("hello", "not a transcript"),
        (7, "not a transcript"),
    ],
)
def test_broken_transcripts_are_named(tmp_path, value, says):
    write(tmp_path / "a.json", value)
    with pytest.raises(InputError, match=says) as caught:
        read_whisper(tmp_path / "a.json")
    assert "a.json" in str(caught.value)


def test_the_reader_takes_json_before_textgrid(corpus):
    folder = corpus / "whisper_transcription"
    folder.mkdir()
    segments = textgrid([("But climbing", 0.3, 1.2)], 2.0).replace('"words"', '"segments"')
    (folder / f"{ID}.TextGrid").write_text(segments.replace('"phones"', '"segments-words"'))
    assert [word.text for word in Beat2Folder(corpus).read(ID).speech.transcript] == ["But climbing"]
    write(folder / f"{ID}.json", SHAPES["whisper"])
    assert Beat2Folder(corpus).read(ID).speech.transcript == EXPECTED
    assert Beat2Folder(corpus, requires=frozenset({"transcript"})).read(ID).speech.transcript == EXPECTED
    (folder / f"{ID}.json").unlink()
    (folder / f"{ID}.TextGrid").unlink()
    with pytest.raises(InputError, match=r"whisper_transcription/.*json: no such file, but transcript are required"):
        Beat2Folder(corpus, requires=frozenset({"transcript"})).read(ID)
