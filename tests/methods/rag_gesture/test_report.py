"""What is told about retrieval is what generation does; and speech in which there is little or nothing to find."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.corpus.clip import SAMPLE_RATE, Clip, GestureLabel, Relation, Word
from gesturebench.common.retrieval.database import STORE_FPS, Database, excerpt
from gesturebench.methods.rag_gesture.retriever import Retriever
from gesturebench.methods.rag_gesture.strategies import strategy
from gesturebench.methods.registry import get_method

STRATEGIES = ["discourse", "gesture_type", "llm", "text", "random", "positions"]


@pytest.fixture(scope="module")
def method_of(small, store):
    """A method that knows the training split and no weights."""

    def make(name: str, **config):
        config = small.config("rag_gesture", retrieval={"strategy": name, "window_stride": 30, **config})
        return get_method("rag_gesture").load(config, {}, store)

    return make


def points(report) -> list:
    return [point for window in report["windows"] for point in window["points"]]


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_report_is_plain_and_its_times_fit(name, method_of, store):
    clips = store.split("test")
    speeches = [store.speech(clip, oracle=True) for clip in clips]
    reports = method_of(name).explain(speeches, seed=0)
    assert json.loads(json.dumps(reports)) == reports
    assert [report["clip"] for report in reports] == list(clips)
    told = [(report, point) for report in reports for point in points(report)]
    assert any(point["placed"] for _, point in told)
    for report, point in told:
        assert (point["placed"] is None) == (point["dropped"] is not None)
        assert 0 <= point["start_s"] <= point["end_s"]
        assert point["start_s"] <= report["duration_s"] or name == "text"
        for match in point["ranked"]:
            assert match["score"] == pytest.approx(sum(match["terms"].values()))
            assert match["clip"] not in clips
        scores = [match["score"] for match in point["ranked"]]
        assert scores == sorted(scores, reverse=True)


def test_without_retrieval_there_is_nothing_to_tell(method_of, store):
    assert method_of("none").explain([store.speech(store.split("test")[0])], seed=0) is None


@pytest.mark.parametrize("name", ["discourse", "llm", "random"])
def test_what_is_told_is_what_is_generated(name, small, store):
    """The windows and slots of the report are those the generator asks for and fills."""
    method = small.load("rag_gesture", retrieval={"strategy": name, "window_stride": 30})
    speech, asked = store.speech(store.split("test")[0]), []
    placements = method._retriever.placements

    def spy(speech, window, seed):
        found = placements(speech, window, seed)
        asked.append((window.start / STORE_FPS, [list(p.target) for p in found], [p.window.clip_id for p in found]))
        return found

    method._retriever.placements = spy
    method.generate([speech], seed=3)
    (report,) = method.explain([speech], seed=3)
    told = []
    for window in report["windows"]:
        placed = [point for point in window["points"] if point["placed"]]
        slots = [point["placed"]["slots"] for point in placed]
        told.append((window["start_s"], slots, [point["found"]["clip"] for point in placed]))
    assert told == asked


@pytest.mark.parametrize("name", STRATEGIES)
def test_silence_asks_for_nothing_and_moves_all_the_same(name, small, silent_speech):
    method = small.load("rag_gesture", retrieval={"strategy": name, "window_stride": 30})
    (report,) = method.explain([silent_speech], seed=0)
    assert points(report) == []
    (motion,) = method.generate([silent_speech], seed=0)
    assert motion.n_frames == silent_speech.n_frames(30)
    assert np.isfinite(motion.poses).all()


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_speech_shorter_than_a_window(name, cut, method_of, store):
    """Half a second with one word, which carries a relation and a label."""
    whole = store.clip(store.split("test")[0])
    short: Clip = cut(whole, 15)
    speech = replace(
        short.speech,
        words=(Word("but", 0.1, 0.4),),
        relations=(Relation("but", "Comparison.Contrast", 0.1, 0.4, 0.1, 0.4),),
        labels=(GestureLabel("08_metaphoric_l", 0.1, 0.4, 0.8, "but"),),
        oracle=(),
    )
    (report,) = method_of(name).explain([speech], seed=0)
    assert len(report["windows"]) == 1
    assert all(point["placed"]["slots"][0] == 0 for point in points(report) if point["placed"])


def test_a_word_at_the_edge_is_shifted_into_the_window(method_of, store):
    """At both ends of a window the gesture is moved inside, as long as it is."""
    speech = store.speech(store.split("test")[0])
    length = 4.0
    relations = [
        Relation("but", "Comparison.Contrast", 0.0, 0.1, 0.0, 0.1),
        Relation("but", "Comparison.Contrast", length - 0.1, length, length - 0.1, length),
    ]
    edge = replace(speech, audio=speech.audio[: int(length * SAMPLE_RATE)], relations=tuple(relations))
    retriever = method_of("discourse")._retriever
    (report,) = method_of("discourse").explain([edge], seed=0)
    first, last = report["windows"][0]["points"]
    assert first["placed"]["slots"][0] == 0
    assert last["placed"]["slots"][1] == retriever.grid.slots
    for point in (first, last):
        slots, source = point["placed"]["slots"], point["placed"]["source_slots"]
        assert slots[1] - slots[0] == source[1] - source[0] > 0


def test_what_has_no_room_any_more_says_so(method_of, store):
    speech = store.speech(store.split("test")[0])
    crowd = tuple(Relation("but", "Comparison.Contrast", 3.0, 3.5, 3.5, 3.6) for _ in range(6))
    (report,) = method_of("discourse").explain([replace(speech, relations=crowd)], seed=0)
    told = report["windows"][0]["points"]
    assert [point["word"] for point in told] == ["but"] * 6
    assert told[0]["placed"]
    assert told[-1]["dropped"] == "no room"
    assert told[-1]["found"]["what"] == told[0]["found"]["what"]


def test_a_sense_that_is_not_in_the_database_is_not_found(method_of, store):
    speech = replace(store.speech(store.split("test")[0]), relations=(Relation("x", "No.Such.Sense", 1, 2, 1, 2),))
    (report,) = method_of("discourse").explain([speech], seed=0)
    assert {(point["dropped"], point["found"]) for point in points(report)} == {("nothing found", None)}


def test_without_prominence_the_other_terms_decide(method_of, store):
    speech = store.speech(store.split("test")[0])
    for name in ("discourse", "llm"):
        (report,) = method_of(name).explain([replace(speech, prominence=())], seed=0)
        assert points(report)
        for point in points(report):
            assert point["prominence"] is None
            assert all(match["terms"]["prominence"] == 0.0 for match in point["ranked"])


def test_windows_without_labels_are_no_answer_to_a_gesture(method_of, store):
    database: Database = method_of("gesture_type")._retriever.database
    bare = excerpt(replace(store.speech(store.split("train")[0]), labels=()), database.windows[0])
    find = strategy(method_of("gesture_type").config.retrieval, Database([bare]))
    query = excerpt(store.speech(store.split("test")[0]), replace(database.windows[0], clip_id="test"))
    assert list(query.gestures())
    assert [point.hit for point in find(query, 0)] == [None] * len(list(query.gestures()))


def test_settings_that_a_strategy_does_not_read_stay_out_of_its_key(small):
    """The language model's settings stand in the JSON of a configuration only where one is asked."""

    def keys(**retrieval) -> set[str]:
        return set(small.config("rag_gesture", retrieval=retrieval).model_dump(mode="json")["retrieval"])

    assert "llm" not in keys(strategy="discourse") | keys(strategy="random", places="gesture_type")
    assert "llm" in keys(strategy="llm") & keys(strategy="random", places="llm")
    told = small.config("rag_gesture", retrieval={"strategy": "llm", "llm": {"words": 3}})
    assert type(told).parse(told.model_dump(mode="json")) == told


def test_a_retriever_reads_the_windows_that_a_speech_is_generated_in(small, store):
    from gesturebench.methods.rag_gesture.track import Track

    config = small.config("rag_gesture")
    for clip in store.split("test"):
        track = Track(store.speech(clip), config, np.zeros(300, np.float32))
        expected = [track.window(k) for k in range(len(track.starts))]
        assert Retriever(config, store).windows(store.speech(clip)) == expected
