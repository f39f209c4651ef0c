"""Who is retrieved for what: preferences, exclusions and seeds."""

from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.corpus.clip import Relation, TruthEvent
from gesturebench.common.corpus.windows import Window
from gesturebench.common.retrieval.database import Database, Excerpt, excerpt
from gesturebench.methods.rag_gesture.config import RetrievalConfig
from gesturebench.methods.rag_gesture.strategies import rank_by_discourse, strategy, text_similarity

BUT = Relation("but", "Comparison.Contrast", 1.0, 4.0, 1.5, 1.8)


def entry(clip: str, *relations: Relation, speaker: int = 1, prominence=None, text=None, start: int = 0) -> Excerpt:
    given = (None,) * len(relations) if prominence is None else prominence
    words = np.zeros((0, 4), np.float32) if text is None else np.array(text, np.float32)
    return Excerpt(Window(clip, start, 120), speaker, relations, given, words)


def names(query: Excerpt, entries: list[Excerpt], prominence: float | None = None, keep: int = 10) -> list[str]:
    ranked = rank_by_discourse(query.relations[0], prominence, query, entries, keep)
    return [e.window.clip_id for e, _, _ in ranked]


QUERY = entry("query", BUT)
OTHER_WORD = replace(BUT, connective="however")
OTHER_SENSE = replace(BUT, sense="Contingency.Cause.Reason")


def test_sense_then_connective_then_speaker():
    entries = [
        entry("other sense", OTHER_SENSE),
        entry("sense", OTHER_WORD, speaker=2),
        entry("sense and speaker", OTHER_WORD),
        entry("sense and word", BUT, speaker=2),
        entry("all", BUT),
    ]
    assert names(QUERY, entries) == ["all", "sense and word", "sense and speaker", "sense"]


def test_scores_are_the_published_ones():
    entries = [entry("all", BUT, prominence=(1.0,)), entry("sense", OTHER_WORD, speaker=2, prominence=(2.0,))]
    ranked = rank_by_discourse(BUT, 1.5, QUERY, entries, 10)
    assert [score for _, _, score in ranked] == pytest.approx([2 + 4 + 3 + 4 / 2, 2 + 4 / 2])


def test_case_of_a_connective_does_not_matter():
    entries = [entry("however", OTHER_WORD), entry("But", replace(BUT, connective="But"))]
    assert names(QUERY, entries) == ["But", "however"]


def test_the_queries_own_clip_is_never_found():
    entries = [entry("query", BUT, start=60), entry("another", OTHER_WORD, speaker=2)]
    assert names(QUERY, entries) == ["another"]


def test_nearer_prominence_is_preferred_and_chosen_inside_a_window():
    far, near = replace(OTHER_WORD, connective="yet"), OTHER_WORD
    entries = [entry("far", far, prominence=(3.0,)), entry("both", far, near, prominence=(1.3, 1.1))]
    (first, relation, _), _ = rank_by_discourse(BUT, 1.0, QUERY, entries, 10)
    assert (first.window.clip_id, relation) == ("both", near)


def test_text_decides_between_equal_scores():
    query = entry("query", BUT, text=[[1, 0], [0, 1]])
    entries = [entry("unlike", BUT, text=[[0, 1], [1, 0]]), entry("like", BUT, text=[[1, 0], [0, 1], [5, 5]])]
    assert names(query, entries) == ["like", "unlike"]
    assert text_similarity(query.text, entries[1].text) == 1.0
    assert text_similarity(query.text, entry("mute").text) == 0.0


@pytest.mark.parametrize("keep", [1, 3, 10])
def test_a_ranked_list_has_its_length_and_falls(keep):
    rng = np.random.default_rng(0)
    entries = [entry(f"c{k}", BUT, speaker=int(rng.integers(3)), prominence=(rng.uniform(),)) for k in range(20)]
    ranked = rank_by_discourse(BUT, 0.5, QUERY, entries, keep)
    scores = [score for _, _, score in ranked]
    assert len(ranked) == keep
    assert scores == sorted(scores, reverse=True)


@pytest.fixture(scope="module")
def database(store) -> Database:
    return Database(store, "train", length=120, stride=30, oracle=True)


def queries(store) -> list[Excerpt]:
    return [
        excerpt(store.speech(clip, oracle=True), Window(clip, start, 120))
        for clip in store.split("test")
        for start in range(0, store.n_frames(clip) - 119, 60)
    ]


@pytest.mark.parametrize("name", ["discourse", "random", "positions"])
def test_every_hit_lies_inside_its_windows(name, store, database):
    find = strategy(RetrievalConfig(strategy=name), database)
    hits = [hit for query in queries(store) for hit in find(query, 0)]
    assert hits
    for hit in hits:
        assert 0 <= hit.source[0] <= hit.source[1] <= 4.0 + 1e-6
        assert 0 <= hit.query[0] <= hit.query[1] <= 4.0 + 1e-6
        assert hit.window in {e.window for e in database.entries}


@pytest.mark.parametrize("name", ["none", "discourse", "random", "positions"])
def test_nothing_annotated_nothing_found(name, database):
    assert strategy(RetrievalConfig(strategy=name), database)(entry("empty"), 0) == []


@pytest.mark.parametrize("name", ["random", "positions"])
def test_controls_depend_on_the_seed_alone(name, store, database):
    find = strategy(RetrievalConfig(strategy=name), database)
    query = next(q for q in queries(store) if q.relations and q.events)
    assert find(query, 0) == find(query, 0)
    assert len({find(query, seed)[0].window for seed in range(12)}) > 1


def test_discourse_hits_carry_the_sense_that_was_asked_for(store, database):
    find = strategy(RetrievalConfig(strategy="discourse"), database)
    by_window = {e.window: e for e in database.entries}
    hits = [(q, hit) for q in queries(store) for hit in find(q, 0)]
    for query, hit in hits:
        found = {(r.connective_start_s, r.connective_end_s): r.sense for r in by_window[hit.window].relations}
        assert found[hit.source] in {r.sense for r in query.relations}
        assert found[hit.source] in hit.asked


def test_random_keeps_the_places_of_discourse(store, database):
    find = strategy(RetrievalConfig(strategy="random"), database)
    for query in queries(store):
        places = [(r.connective_start_s, r.connective_end_s) for r in query.relations]
        assert [hit.query for hit in find(query, 3)] == places


def test_positions_are_those_of_the_true_gestures(store, database):
    find = strategy(RetrievalConfig(strategy="positions"), database)
    for query in queries(store):
        hits = find(query, 0)
        assert [hit.query for hit in hits] == [(e.word_start_s, e.word_end_s) for e in query.events]
        assert all(database_speaker(hit) == query.speaker for hit in hits)


def database_speaker(hit) -> int:
    return int(hit.window.clip_id.split("_")[0])


def test_positions_without_a_gestured_window_find_nothing(store):
    blind = Database(store, "train", length=120, stride=60, oracle=False)
    event = TruthEvent("iconic:big", "big", 1.0, 1.2, 0.5, 0.9, 1.4, 1.6, "both")
    query = replace(entry("query"), events=(event,))
    assert strategy(RetrievalConfig(strategy="positions"), blind)(query, 0) == []
