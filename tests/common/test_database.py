"""What of a speech belongs to a window, and the database of all training windows."""

from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.corpus.clip import ProminentWord, Relation, Speech, TruthEvent, Word
from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.corpus.windows import Window
from gesturebench.common.errors import InputError
from gesturebench.common.features.words import word_vector
from gesturebench.common.retrieval.database import Database, excerpt

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
    assert len(found.text) == 4


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
    found = excerpt(replace(SPEECH, words=(), relations=(), prominence=(), oracle=()), Window(ID, 0, 60))
    assert found.relations == found.prominence == found.events == ()
    assert len(found.text) == 0


@pytest.fixture
def store(corpus, tmp_path) -> ClipStore:
    build_store(corpus, tmp_path / "store")
    return ClipStore.open(tmp_path / "store")


def test_database_holds_the_training_windows(store):
    database = Database(store, "train", length=30, stride=15)
    clips = store.split("train")
    assert [e.window for e in database.entries] == [Window(clip, s, 30) for clip in clips for s in (0, 15, 30)]
    assert len(database) == len(database.entries)
    assert [len(e.relations) for e in database.entries if e.window.clip_id == ID] == [1, 0, 0]


def test_the_truth_is_read_only_when_asked_for(store):
    whole = {"length": 60, "stride": 60}
    assert not any(e.events for e in Database(store, "train", **whole).entries)
    assert any(e.events for e in Database(store, "train", **whole, oracle=True).entries)


def test_windows_longer_than_every_clip_are_refused(store):
    with pytest.raises(InputError, match=r"no clip is 3\.0 s long"):
        Database(store, "train", length=90, stride=15)
