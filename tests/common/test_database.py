"""What of a speech belongs to a window, and the database of all training windows."""

from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.corpus.clip import GestureLabel, ProminentWord, Relation, Speech, TruthEvent, Word
from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.corpus.windows import Window
from gesturebench.common.errors import InputError
from gesturebench.common.features.words import word_vector
from gesturebench.common.retrieval.database import Anchor, Reading, excerpt, read_database

ID = "2_scott_0_1_1"
RELATIONS = (
    Relation("but", "Comparison.Contrast", 0.5, 6.0, 2.0, 2.4),
    Relation("because", "Contingency.Cause.Reason", 2.5, 9.0, 4.8, 5.2),
)
SPEECH = Speech(
    ID,
    np.zeros(160_000, np.float32),
    2,
    words=(Word("yes", 0.9, 1.0), Word("But", 2.0, 2.4), Word("you", 2.9, 3.1), Word("because", 4.8, 5.2)),
    relations=RELATIONS,
    prominence=(ProminentWord("but", 2.0, 2.4, 1.5, 0.0), ProminentWord("because", 4.8, 5.2, 0.5, 0.0)),
    labels=(
        GestureLabel("01_beat_align", 0.2, 0.6, 0.1, ""),
        GestureLabel("03_deictic_m", 2.5, 3.4, 0.3, "you"),
        GestureLabel("habit", 3.5, 3.9, 0.0, ""),
    ),
    oracle=(TruthEvent("iconic:big", "you", 2.9, 3.1, 0.5, 2.0, 3.5, 7.0, "both"),),
)


def test_times_are_relative_and_cut_to_the_window():
    found = excerpt(SPEECH, Window(ID, 30, 120))  # 1 s to 5 s
    assert found.relations == (Relation("but", "Comparison.Contrast", 0.0, 4.0, 1.0, pytest.approx(1.4)),)
    assert found.prominence == (1.5,)
    assert found.speaker == 2
    assert found.duration_s == 4.0
    np.testing.assert_array_equal(found.text, np.stack([word_vector("But"), word_vector("you")]))
    (event,) = found.events
    assert (event.word_start_s, event.stroke_s, event.end_s) == pytest.approx((1.9, 1.0, 2.5))


def test_a_window_at_zero_over_all_changes_nothing():
    found = excerpt(SPEECH, Window(ID, 0, 300))
    assert found.relations == RELATIONS
    assert found.events == SPEECH.oracle
    assert found.words == SPEECH.words
    assert found.prominent == SPEECH.prominence
    assert [label.kind for label in found.labels] == ["beat", "deictic"]
    assert len(found.text) == 4


def test_what_can_be_asked_for_and_found():
    found = excerpt(SPEECH, Window(ID, 60, 90))  # 2 s to 5 s
    assert list(found.connectives()) == [Anchor("but", "Comparison.Contrast", 0.0, pytest.approx(0.4), 1.5)]
    assert list(found.gestures()) == [Anchor("you", "deictic", 0.5, pytest.approx(1.4), None)]


def test_a_label_between_two_frame_times_is_none():
    """Frames are told apart at 15 per second: 0.41 to 0.46 s meets neither 0.4 nor 0.467 s."""
    short = replace(
        SPEECH, labels=(GestureLabel("iconic", 0.41, 0.46, 0.5, "x"), GestureLabel("iconic", 0.41, 0.47, 1, "y"))
    )
    assert [label.word for label in excerpt(short, Window(ID, 0, 60)).labels] == ["y"]


def test_case_of_prominent_words_matters_where_it_is_asked_to():
    spelled = replace(SPEECH, prominence=(ProminentWord("But", 2.0, 2.4, 1.5, 0.0),))
    assert excerpt(spelled, Window(ID, 30, 120)).prominence == (1.5,)
    assert excerpt(spelled, Window(ID, 30, 120), Reading(fold_case=False)).prominence == (None,)


@pytest.mark.parametrize("start", [0, 61, 75, 150])
def test_what_is_cut_by_a_border_stays_out(start):
    """Connectives, words and strokes count only where they lie inside as a whole."""
    window = Window(ID, start, 60)
    end = (start + 60) / 30
    found = excerpt(SPEECH, window)
    inside = [r for r in RELATIONS if r.connective_start_s >= start / 30 and r.connective_end_s <= end]
    assert [r.connective for r in found.relations] == [r.connective for r in inside]
    assert len(found.prominence) == len(inside)
    for r in found.relations:
        assert 0 <= r.start_s <= r.connective_start_s <= r.connective_end_s <= r.end_s <= 2.0
    assert not found.events


def test_nothing_annotated_is_an_empty_excerpt():
    found = excerpt(replace(SPEECH, words=(), relations=(), prominence=(), labels=(), oracle=()), Window(ID, 0, 60))
    assert found.relations == found.prominence == found.events == found.labels == found.words == ()
    assert len(found.text) == 0


@pytest.fixture
def store(corpus, tmp_path) -> ClipStore:
    build_store(corpus, tmp_path / "store")
    return ClipStore.open(tmp_path / "store")


def test_database_holds_the_training_windows(store):
    database = read_database(store, "train", length=30, stride=15)
    clips = store.split("train")
    assert list(database.windows) == [Window(clip, s, 30) for clip in clips for s in (0, 15, 30)]
    assert len(database) == len(database.windows) == len(database.speaker)
    own = database.own(Window(ID, 15, 30), whole_clip=True)
    assert [database.windows[k] for k in own] == [Window(ID, s, 30) for s in (0, 15, 30)]
    assert [database.windows[k] for k in database.own(Window(ID, 15, 30), whole_clip=False)] == [Window(ID, 15, 30)]
    assert database.own(Window("stranger", 15, 30), whole_clip=True) == []


def test_columns_hold_what_the_windows_do(store):
    database = read_database(store, "train", length=60, stride=15)
    for name, read in (("connectives", lambda e: e.connectives()), ("gestures", lambda e: e.gestures())):
        columns = getattr(database, name)
        expected = [anchor for w in database.windows for anchor in read(excerpt(store.speech(w.clip_id), w))]
        assert list(columns.anchors) == expected
        for kind in {anchor.kind for anchor in expected}:
            groups = columns.of_kind(kind)
            assert [columns.anchors[row].kind for row in groups.rows] == [kind] * len(groups.rows)
            assert len(groups.rows) == sum(anchor.kind == kind for anchor in expected)
        assert columns.of_kind("no such kind") is None


def test_the_truth_is_read_only_when_asked_for(store):
    whole = {"length": 60, "stride": 60}
    assert not read_database(store, "train", **whole).events
    assert read_database(store, "train", **whole, oracle=True).events


def test_windows_longer_than_every_clip_are_refused(store):
    with pytest.raises(InputError, match=r"no clip is 3\.0 s long"):
        read_database(store, "train", length=90, stride=15)
