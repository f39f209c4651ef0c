"""Who is retrieved for what: preferences, exclusions, seeds, and the same as a walk through all windows finds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.corpus.clip import Relation, TruthEvent, Word
from gesturebench.common.corpus.windows import Window
from gesturebench.common.retrieval.database import Anchor, Database, Excerpt, excerpt, read_database
from gesturebench.common.retrieval.labels import Label
from gesturebench.methods.rag_gesture.config import RELEASED_SCORING, RetrievalConfig
from gesturebench.methods.rag_gesture.strategies import asks, rank, strategy
from tests.methods.rag_gesture.plain_retrieval import plain_rank, stores_of

BUT = Relation("but", "Comparison.Contrast", 1.0, 4.0, 1.5, 1.8)
STRATEGIES = ["discourse", "gesture_type", "llm", "text", "random", "positions"]


def entry(clip: str, *relations: Relation, speaker: int = 1, prominence=None, text=None, start: int = 0) -> Excerpt:
    given = (None,) * len(relations) if prominence is None else prominence
    words = np.zeros((0, 4), np.float32) if text is None else np.array(text, np.float32)
    return Excerpt(Window(clip, start, 120), speaker, relations, given, words)


def gestured(clip: str, *labels: tuple[str, str], speaker: int = 1, prominence=None) -> Excerpt:
    """`labels` are (kind, keyword), one second each."""
    made = tuple(Label(kind, k, k + 1.0, word) for k, (kind, word) in enumerate(labels))
    return replace(entry(clip, speaker=speaker), labels=made, label_prominence=prominence or (None,) * len(labels))


def names(query: Excerpt, entries: list[Excerpt], prominence: float | None = None, **config) -> list[str]:
    settings = RetrievalConfig.parse({"strategy": "discourse", **config})
    asked = replace(asks(query, settings)[0], prominence=prominence)
    database = Database(entries)
    return [database.windows[match.entry].clip_id for match in rank(asked, query, database, settings)]


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


def matches(asked: Anchor, entries: list[Excerpt], speaker: int = 1, **config):
    query = replace(QUERY, speaker=speaker)
    return rank(asked, query, Database(entries), RetrievalConfig.parse(config))


def test_scores_of_relations_are_the_published_ones():
    entries = [entry("all", BUT, prominence=(1.0,)), entry("sense", OTHER_WORD, speaker=2, prominence=(2.0,))]
    found = matches(Anchor("but", "Comparison.Contrast", 1.5, 1.8, 1.5), entries, strategy="discourse")
    assert [match.score for match in found] == pytest.approx([2 + 4 + 3 + 4 / 2, 2 + 4 / 2])
    assert found[0].terms == {"sense": 2.0, "connective": 4.0, "speaker": 3.0, "prominence": 2.0}


@pytest.mark.parametrize(
    ("name", "bonus", "expected"),
    [
        ("gesture_type", "increasing", {"alike": 2 + 2 + 3.0, "same": 2 + 5, "unlike": 2 + 2}),
        ("gesture_type", "released", {"alike": 2 + 2 + 1.0, "same": 2 + 5, "unlike": 2 + 2 + 3}),
        ("llm", "increasing", {"alike": 2 + 1 + 3.0, "same": 2 + 5, "unlike": 2 + 1}),
        ("llm", "released", {"alike": 2 + 1 + 1.0, "same": 2 + 5, "unlike": 2 + 1 + 3}),
    ],
)
def test_scores_of_words_and_what_the_released_bonus_prefers(name, bonus, expected):
    entries = [
        gestured("alike", ("iconic", "bigger")),
        gestured("same", ("iconic", "big"), speaker=2),
        gestured("unlike", ("iconic", "moon")),
        gestured("other type", ("deictic", "big")),
        gestured("beat", ("beat", "big")),
    ]
    found = matches(Anchor("big", "iconic", 0, 1), entries, strategy=name, word_bonus=bonus)
    assert {entries[match.entry].window.clip_id: match.score for match in found} == expected


@pytest.mark.parametrize(("best", "word"), [("word", "big"), ("released", "moon")])
def test_a_word_is_matched_at_itself_or_as_released_at_the_nearest_in_prominence(best, word):
    entries = [gestured("one", ("iconic", "moon"), ("iconic", "big"), prominence=(1.0, 3.0))]
    (match,) = matches(Anchor("big", "iconic", 0, 1, 1.2), entries, strategy="llm", best_label=best)
    assert Database(entries).gestures.anchors[match.row].word == word


@pytest.mark.parametrize(("case", "score"), [("casefold", 2 + 2 + 5), ("exact", 2 + 2 + 3 * 0.67)])
def test_case_of_keywords(case, score):
    found = matches(
        Anchor("big", "iconic", 0, 1), [gestured("x", ("iconic", "Big"))], strategy="gesture_type", keywords=case
    )
    assert found[0].score == pytest.approx(score)


@pytest.mark.parametrize(("case", "score"), [("casefold", 4.0), ("exact", 9.0)])
def test_gestures_without_keywords_are_equal_only_as_released(case, score):
    found = matches(Anchor("", "iconic", 0, 1), [gestured("x", ("iconic", ""))], strategy="gesture_type", keywords=case)
    assert found[0].score == score


def test_case_of_a_connective_matters_only_where_it_is_asked_to():
    entries = [entry("however", OTHER_WORD), entry("But", replace(BUT, connective="But"))]
    assert names(QUERY, entries) == ["But", "however"]
    assert names(QUERY, entries, connectives="exact") == ["however", "But"]


def test_the_queries_own_clip_is_never_found():
    entries = [entry("query", BUT, start=60), entry("another", OTHER_WORD, speaker=2)]
    assert names(QUERY, entries) == ["another"]
    assert names(QUERY, [*entries, QUERY], own="window") == ["query", "another"]


def test_nearer_prominence_is_preferred_and_chosen_inside_a_window():
    far, near = replace(OTHER_WORD, connective="yet"), OTHER_WORD
    entries = [entry("far", far, prominence=(3.0,)), entry("both", far, near, prominence=(1.3, 1.1))]
    first, _ = matches(Anchor("but", BUT.sense, 1.5, 1.8, 1.0), entries, strategy="discourse")
    assert Database(entries).connectives.anchors[first.row].word == "however"


def test_text_decides_between_equal_scores():
    query = entry("query", BUT, text=[[1, 0], [0, 1]])
    entries = [entry("unlike", BUT, text=[[0, 1], [1, 0]]), entry("like", BUT, text=[[1, 0], [0, 1], [5, 5]])]
    assert names(query, entries) == ["like", "unlike"]


def test_equal_windows_stay_in_the_order_of_the_database():
    text = [[1, 2], [3, 4]]
    query, entries = entry("query", BUT, text=text), [entry(f"c{k}", BUT, text=text) for k in range(15)]
    assert names(query, entries) == [f"c{k}" for k in range(10)]


WORD = st.sampled_from(["", "big", "Big", "bigger", "moon", "small house", "a"])
PROMINENCE = st.none() | st.sampled_from([0.5, 1.0, 2.0])
RELATION = st.builds(Relation, WORD, st.sampled_from("XY"), *[st.just(0.0)] * 4)
LABEL = st.builds(Label, st.sampled_from(["beat", "iconic", "deictic"]), st.just(0.0), st.just(1.0), WORD)
TEXT = st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), max_size=3)


@st.composite
def excerpts(draw) -> Excerpt:
    """Few distinct values, so that ties of every sort are frequent; small whole numbers, so that sums are exact."""
    related = draw(st.lists(st.tuples(RELATION, PROMINENCE), max_size=4))
    labelled = draw(st.lists(st.tuples(LABEL, PROMINENCE), max_size=4))
    relations, labels = tuple(r for r, _ in related), tuple(label for label, _ in labelled)
    return Excerpt(
        Window(draw(st.sampled_from("abc")), draw(st.sampled_from([0, 60])), 60), draw(st.integers(1, 2)), relations,
        tuple(p for _, p in related), np.array(draw(TEXT), np.float32).reshape(-1, 2), labels=labels,
        label_prominence=tuple(p for _, p in labelled),
    )  # fmt: skip


QUIRKS = {
    "connectives": "exact",
    "keywords": "exact",
    "word_bonus": "released",
    "best_label": "released",
    "own": "window",
}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(excerpts(), max_size=8, unique_by=lambda e: e.window),
    excerpts(),
    st.sampled_from(["discourse", "gesture_type", "llm"]),
    st.sets(st.sampled_from(sorted(QUIRKS))),
    st.tuples(WORD, PROMINENCE),
    st.integers(1, 4),
)
def test_columns_rank_as_the_walk_through_all_windows_does(entries, query, name, quirks, asked, keep):
    config = RetrievalConfig(strategy=name, keep=keep, **{key: QUIRKS[key] for key in quirks})
    word, prominence = asked
    anchor = Anchor(word, "X" if name == "discourse" else "iconic", 0.0, 1.0, prominence)
    database = Database(entries)
    found = [
        (f"{w.clip_id}/{w.start}", anchor_number(database, match, config), match.score)
        for match in rank(anchor, query, database, config)
        for w in [database.windows[match.entry]]
    ]
    assert found == plain_rank(anchor, query, stores_of(entries), config)


def anchor_number(database: Database, match, config: RetrievalConfig) -> int:
    """Which of its window's annotations a match is at."""
    columns = database.connectives if config.strategy == "discourse" else database.gestures
    owners = columns.owner.tolist()
    return match.row - owners.index(match.entry)


@pytest.fixture(scope="module")
def database(store) -> Database:
    return read_database(store, "train", length=120, stride=30, oracle=True)


def queries(store) -> list[Excerpt]:
    return [
        excerpt(store.speech(clip, oracle=True), Window(clip, start, 120))
        for clip in store.split("test")
        for start in range(0, store.n_frames(clip) - 119, 60)
    ]


def hits(name: str, database: Database, query: Excerpt, seed: int = 0, **config):
    find = strategy(RetrievalConfig(strategy=name, **config), database)
    return [point.hit for point in find(query, seed) if point.hit]


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_hit_lies_inside_its_windows(name, store, database):
    found = [hit for query in queries(store) for hit in hits(name, database, query)]
    assert found
    for hit in found:
        assert 0 <= hit.source[0] <= hit.source[1] <= 4.0 + 1e-6
        assert 0 <= hit.query[0] <= hit.query[1] <= 4.0 + 1e-6
        assert hit.window in database.windows


@pytest.mark.parametrize("name", ["none", *STRATEGIES])
def test_nothing_annotated_nothing_found(name, database):
    assert hits(name, database, entry("empty")) == []


@pytest.mark.parametrize("name", ["random", "positions"])
def test_controls_depend_on_the_seed_alone(name, store, database):
    query = next(q for q in queries(store) if q.relations and q.events)
    assert hits(name, database, query) == hits(name, database, query)
    assert len({hits(name, database, query, seed)[0].window for seed in range(12)}) > 1


@pytest.mark.parametrize("name", ["discourse", "gesture_type", "llm"])
def test_what_is_found_is_of_the_kind_that_was_asked_for(name, store, database):
    find = strategy(RetrievalConfig(strategy=name), database)
    columns = database.connectives if name == "discourse" else database.gestures
    points = [point for query in queries(store) for point in find(query, 0) if point.hit]
    for point in points:
        found = [columns.anchors[match.row] for match in point.ranked]
        assert {anchor.kind for anchor in found} == {point.asked.kind}
        assert point.hit.asked == str(point.asked)
        assert (point.hit.found, point.hit.source) == (str(found[0]), (found[0].start_s, found[0].end_s))
        assert point.hit.labelled == (name != "discourse")
    assert any(point.hit.asked == point.hit.found for point in points)


@pytest.mark.parametrize("places", ["discourse", "gesture_type", "llm"])
def test_random_keeps_the_places_of_another_strategy(places, store, database):
    for query in queries(store):
        asked = asks(query, RetrievalConfig(strategy=places))
        expected = [(anchor.start_s, anchor.end_s) for anchor in asked]
        assert [hit.query for hit in hits("random", database, query, 3, places=places)] == expected


def test_text_takes_the_whole_window_with_the_most_similar_words(store, database):
    for query in queries(store):
        (hit,) = hits("text", database, query)
        others = [k for k, w in enumerate(database.windows) if w.clip_id != query.window.clip_id]
        alike = database.text.similarity(query.text, np.array(others))
        assert hit.window == database.windows[others[int(alike.argmax())]]
        assert hit.score == alike.max()
        assert hit.source == hit.query == (0.0, 4.0)


def test_words_come_from_the_text_alone(store, database):
    """Labels, relations and truth of the query do not matter to `llm`; its prominence does, but only to the score."""
    config = RetrievalConfig(strategy="llm")
    for query in queries(store):
        blind = replace(query, relations=(), prominence=(), labels=(), label_prominence=(), events=())
        assert asks(blind, config) == asks(query, config)
        spoken = {(word.start_s, word.end_s) for word in query.words}
        assert all((a.start_s, a.end_s) in spoken for a in asks(query, config) if " " not in a.word)


def test_positions_are_those_of_the_true_gestures(store, database):
    for query in queries(store):
        found = hits("positions", database, query)
        assert [hit.query for hit in found] == [(e.word_start_s, e.word_end_s) for e in query.events]
        assert all(int(hit.window.clip_id.split("_")[0]) == query.speaker for hit in found)


def test_positions_without_a_gestured_window_find_nothing(store):
    blind = read_database(store, "train", length=120, stride=60, oracle=False)
    event = TruthEvent("iconic:big", "big", 1.0, 1.2, 0.5, 0.9, 1.4, 1.6, "both")
    query = replace(entry("query"), events=(event,))
    assert hits("positions", blind, query) == []


def test_the_same_word_twice_is_asked_for_twice(database):
    """Each time at its own place; the released log kept only one of them."""
    said = tuple(Word(word, k, k + 0.5) for k, word in enumerate(["so", "big", "and", "big"]))
    labels = tuple(Label("iconic", w.start_s, w.end_s, w.text) for w in said if w.text == "big")
    query = replace(entry("query"), words=said, labels=labels, label_prominence=(None, None))
    find = strategy(RetrievalConfig(strategy="gesture_type"), database)
    assert [(p.asked.word, p.asked.start_s) for p in find(query, 0)] == [("big", 1.0), ("big", 3.0)]


def test_a_database_of_one_window_is_enough():
    only = entry("only", BUT)
    database = Database([only])
    assert [hit.window for hit in hits("discourse", database, QUERY)] == [only.window]
    assert hits("discourse", database, replace(QUERY, window=only.window)) == []
    assert hits("gesture_type", database, gestured("query", ("iconic", "big"))) == []
    (hit,) = hits("random", database, QUERY)
    assert 0 <= hit.source[0] <= hit.source[1] <= only.duration_s


def test_released_settings_are_all_named():
    assert RetrievalConfig.parse({"strategy": "llm", **RELEASED_SCORING}).word_bonus == "released"
    assert set(QUIRKS) <= set(RELEASED_SCORING)
