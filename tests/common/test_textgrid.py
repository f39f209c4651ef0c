"""The TextGrid reader against an independent writer and reader, and against damage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from praatio import textgrid as praat
from praatio.data_classes.interval_tier import IntervalTier as PraatTier
from praatio.data_classes.point_tier import PointTier

from gesturebench.common.corpus.annotations import read_textgrid, read_transcript
from gesturebench.common.corpus.clip import Word
from gesturebench.common.corpus.textgrid import parse_textgrid
from gesturebench.common.errors import InputError

WORDS = [(0.25, 0.5, "so"), (0.5, 1.0, 'he said "high" !'), (1.25, 1.5, "1.5"), (1.5, 2.0, "<exists>")]


def grid(words: list[tuple[float, float, str]] = WORDS) -> praat.Textgrid:
    made = praat.Textgrid(0, 2.5)
    made.addTier(PraatTier("words", words, 0, 2.5))
    made.addTier(PointTier("notes", [(0.5, "here")], 0, 2.5))
    made.addTier(PraatTier("phones", [(0.25, 0.5, "S")], 0, 2.5))
    return made


@pytest.mark.parametrize("style", ["long_textgrid", "short_textgrid"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_both_formats_and_all_encodings(tmp_path, style, encoding):
    path = tmp_path / "a.TextGrid"
    grid().save(str(path), format=style, includeBlankSpaces=True)
    path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)
    words, phones, end_s = read_textgrid(path)
    assert [(w.start_s, w.end_s, w.text) for w in words] == WORDS
    assert phones == (Word("S", 0.25, 0.5),)
    assert end_s == 2.5


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=12)


@given(st.lists(texts.filter(lambda text: text == text.strip()), max_size=5))
def test_any_text_comes_back(marks):
    intervals = "".join(f'{k} {k + 1} "{mark.replace(chr(34), 2 * chr(34))}"\n' for k, mark in enumerate(marks))
    whole = f'"ooTextFile"\n"TextGrid"\n0 9\n<exists>\n1\n"IntervalTier" "words" 0 9 {len(marks)}\n{intervals}'
    ((tier,), end_s) = parse_textgrid(whole.encode())
    assert [word.text for word in tier.intervals] == marks
    assert end_s == 9


def test_every_beginning_of_a_grid_is_refused(tmp_path):
    path = tmp_path / "a.TextGrid"
    grid().save(str(path), format="long_textgrid", includeBlankSpaces=True)
    whole = path.read_bytes().rstrip()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"a\.TextGrid: not a TextGrid"):
            read_textgrid(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("xmin = 0.25", "xmin = -0.25"), "an interval from -0.25 s to 0.5 s"),
        (("xmin = 0.25", "xmin = 0.75"), "an interval from 0.75 s to 0.5 s"),
        (("xmin = 0.25", "xmin = 1e999"), "inf s"),
        (('class = "IntervalTier"', 'class = "Pitch"'), "a tier of class 'Pitch'"),
        (('"TextGrid"', '"Sound"'), "does not begin as a TextGrid"),
        (("size = 3", "size = 4"), "the file ends where a text should follow"),
        (("size = 3", "size = 2.5"), "invalid literal"),
    ],
)
def test_faults_are_named(tmp_path, change, says):
    path = tmp_path / "a.TextGrid"
    grid().save(str(path), format="long_textgrid", includeBlankSpaces=True)
    path.write_text(path.read_text().replace(*change, 1))
    with pytest.raises(InputError, match=says):
        read_textgrid(path)


def test_a_grid_without_interval_tiers(tmp_path):
    (tmp_path / "a.TextGrid").write_text('"ooTextFile" "TextGrid" 0 1 <absent>')
    with pytest.raises(InputError, match="no interval tier"):
        read_textgrid(tmp_path / "a.TextGrid")


def test_a_transcript_is_the_tier_of_words(tmp_path):
    path = tmp_path / "a.TextGrid"
    made = praat.Textgrid(0, 2.5)
    made.addTier(PraatTier("segments", [(0, 2, "so high")], 0, 2.5))
    made.addTier(PraatTier("Words", WORDS[:2], 0, 2.5))
    made.save(str(path), format="long_textgrid", includeBlankSpaces=True)
    assert [word.text for word in read_transcript(path)] == [text for _, _, text in WORDS[:2]]
