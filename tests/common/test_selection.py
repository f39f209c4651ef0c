"""Which clips a released loader would use, and what ours says instead."""

import pytest

from gesturebench.common.corpus.beat2 import Beat2Folder
from gesturebench.common.corpus.clip import Word
from gesturebench.common.corpus.cutting import WINDOWS, cuts
from gesturebench.common.corpus.selection import complete, selected, spoken
from gesturebench.common.errors import InputError

TABLE = {
    "2_scott_1_1_1": "additional",
    **{f"2_scott_0_{k}_{k}": "train" for k in range(10, 22)},
    "1_wayne_0_1_1": "train",
    "2_scott_0_1_1": "test",
}


def test_rows_of_speakers_in_the_order_of_the_table():
    assert selected(TABLE, "train", [1]) == ("1_wayne_0_1_1",)
    assert selected(TABLE, "train")[-1] == "1_wayne_0_1_1"
    assert selected(TABLE, "test", [2]) == ("2_scott_0_1_1",)


def test_additional_rows_come_behind_or_before():
    plain = selected(TABLE, "train", [2])
    assert selected(TABLE, "train", [2], additional="after") == (*plain, "2_scott_1_1_1")
    assert selected(TABLE, "train", [2], additional="before") == ("2_scott_1_1_1", *plain)
    assert selected(TABLE, "test", [2], additional="after") == ("2_scott_0_1_1",)


def test_an_empty_split_is_an_error_or_the_released_fallback():
    with pytest.raises(InputError, match=r"speakers \[2\]: split 'val' is empty"):
        selected(TABLE, "val", [2])
    fallback = selected(TABLE, "val", [2], empty="first_training_rows")
    assert fallback == tuple(f"2_scott_0_{k}_{k}" for k in range(10, 18))


def test_unknown_split():
    with pytest.raises(InputError, match="did you mean 'test'"):
        selected(TABLE, "tests", empty="first_training_rows")


def test_clips_without_audio_or_words(corpus):
    folder = Beat2Folder(corpus)
    ids = folder.ids()
    assert complete(folder, ids) == ids
    folder.annotation_file("words", ids[1]).unlink()
    assert complete(folder, ids, needs=("audio",)) == ids
    with pytest.raises(InputError, match=ids[1]):
        complete(folder, ids)
    assert complete(folder, ids, missing="drop_clip") == ids[:1] + ids[2:]


def test_one_silent_window_drops_itself_or_the_clip():
    windows = cuts(WINDOWS["rag_gesture_test"], 450, 30 * 16_000)
    words = [Word("early", 1.0, 1.5), Word("across", 9.8, 10.2), Word("late", 21.0, 22.0)]
    assert [cut.start for cut in spoken(windows, words, 15, "drop_window")] == [0, 300]
    assert spoken(windows, words, 15, "drop_clip") == []
    assert spoken(windows, [*words, Word("between", 12, 13)], 15, "drop_clip") == windows
