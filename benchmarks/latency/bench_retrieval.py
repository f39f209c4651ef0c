"""Retrieval over as many windows as 60 hours of recordings have, against the walk through all of them.

A query clip is a window of 10 s with all its connectives or gestures. The slow side is the published algorithm in plain
Python over stores that lie in memory; the two sides must rank alike. `first_ms` is what a word costs that was never
asked for before: its similarity to every keyword.
"""

import random
import time

import pytest

from gesturebench.common.corpus.clip import Relation, Word
from gesturebench.common.corpus.windows import Window
from gesturebench.common.features.window_text import hashed_rows
from gesturebench.common.retrieval.database import Anchor, Database, Excerpt
from gesturebench.common.retrieval.labels import Label
from gesturebench.methods.rag_gesture.config import RELEASED_SCORING, RetrievalConfig
from gesturebench.methods.rag_gesture.strategies import asks, rank, strategy
from tests.methods.rag_gesture.plain_retrieval import Stores, plain_rank, stores_of

ENTRIES, CLIP_WINDOWS = 40_000, 7
SPEAKERS, SENSES, CONNECTIVES, KEYWORDS, WORDS = 25, 15, 80, 2_000, 6_000
KINDS = ("beat", "deictic", "iconic", "metaphoric")


def made_up_words(count: int, rng: random.Random) -> list[str]:
    """Distinct words of three to ten letters, as frequent as letters are in English."""
    letters = "eeeeeeeeeeeetttttttttaaaaaaaaooooooooiiiiiiinnnnnnnsssssshhhhhhrrrrrrddddllllcccuuummmwwffggyyppbbvk"
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(rng.choices(letters, k=rng.randint(3, 10)))] = None
    return list(found)


class Speaking:
    """Windows of 10 s of people who do not exist: names are drawn with Zipf's frequencies, prominences are continuous
    and now and then missing."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.words, self.keywords = made_up_words(WORDS, self.rng), made_up_words(KEYWORDS, self.rng)
        self.connectives = made_up_words(CONNECTIVES, self.rng)
        self.senses = [f"Sense.{k}" for k in range(SENSES)]

    def often(self, names: list[str]) -> str:
        return (
            self.rng.choices(names, weights=[1 / (k + 1) for k in range(len(names))])[0]
            if len(names) < 100
            else (names[min(int(len(names) ** self.rng.random()) - 1, len(names) - 1)])
        )

    def times(self) -> tuple[float, float]:
        start = self.rng.uniform(0, 9)
        return start, start + self.rng.uniform(0.1, 1.0)

    def prominences(self, count: int) -> tuple[float | None, ...]:
        return tuple(None if self.rng.random() < 0.1 else self.rng.uniform(0, 3) for _ in range(count))

    def window(self, clip: str, start: int) -> Excerpt:
        relations = []
        for _ in range(self.rng.choice((0, 1, 2, 2, 3, 3, 4, 5))):
            first, last = self.times()
            relations.append(Relation(self.often(self.connectives), self.often(self.senses), 0, 10, first, last))
        labels = [
            Label(self.rng.choices(KINDS, (4, 1, 2, 2))[0], *self.times(), self.often(self.keywords))
            for _ in range(self.rng.choice((0, 1, 2, 3, 4, 5)))
        ]
        said = [self.often(self.words) for _ in range(self.rng.randint(12, 40))]
        return Excerpt(
            Window(clip, start, 300), self.rng.randint(1, SPEAKERS), tuple(relations),
            self.prominences(len(relations)), hashed_rows(said), labels=tuple(labels),
            label_prominence=self.prominences(len(labels)), words=tuple(Word(word, 0, 1) for word in said),
        )  # fmt: skip


@pytest.fixture(scope="module")
def corpus() -> tuple[Database, Stores, list[Excerpt]]:
    speaking = Speaking(0)
    entries = [speaking.window(f"{k // 10}", 150 * (k % 10)) for k in range(ENTRIES)]
    clip = [speaking.window("query", 270 * k) for k in range(CLIP_WINDOWS)]
    return Database(entries), stores_of(entries), clip


def asked_of(query: Excerpt, config: RetrievalConfig) -> list[Anchor]:
    """Labelled gestures stand for a language model's words, which cost time of their own."""
    return asks(query, config.model_copy(update={"strategy": "gesture_type"}) if config.strategy == "llm" else config)


@pytest.mark.parametrize(
    ("name", "scoring", "windows"),
    [("discourse", "fixed", 7), ("discourse", "released", 7), ("gesture_type", "fixed", 2), ("llm", "released", 2)],
)
def test_query_clips(name, scoring, windows, corpus, versus, benchmark):
    """All points of some windows of 10 s. Where words are compared the walk takes minutes, so there are fewer."""
    database, stores, clip = corpus
    config = RetrievalConfig.parse({"strategy": name, **(RELEASED_SCORING if scoring == "released" else {})})
    points = [(query, asked) for query in clip[-windows:] for asked in asked_of(query, config)]

    def columns() -> list[list[str]]:
        return [[name_of_entry(database, m.entry) for m in rank(a, q, database, config)] for q, a in points]

    def walk() -> list[list[str]]:
        return [[row[0] for row in plain_rank(a, q, stores, config)] for q, a in points]

    start = time.perf_counter()
    found = columns()
    benchmark.extra_info |= {"first_ms": 1e3 * (time.perf_counter() - start), "points": len(points)}
    assert found == walk()
    versus(columns, walk, rounds=3 if name == "discourse" else 1)
    benchmark.extra_info["fast_ms_per_window"] = benchmark.extra_info["fast_ms"] / windows


def test_text_alone(corpus, benchmark):
    database, _, clip = corpus
    find = strategy(RetrievalConfig(strategy="text"), database)
    assert all(points and points[0].hit for points in benchmark(lambda: [find(query, 0) for query in clip]))
    benchmark.extra_info |= {"windows": len(clip)}


def test_memory(corpus, benchmark):
    """Arrays of the database, without the Python objects that name what was found."""
    database, _, _ = corpus
    sizes = {
        "connectives_mb": database.connectives.nbytes,
        "gestures_mb": database.gestures.nbytes,
        "text_mb": database.text.nbytes,
    }
    benchmark.extra_info |= {key: size / 1e6 for key, size in sizes.items()}
    benchmark.extra_info |= {"rows": len(database.connectives.anchors), "tokens": int(database.text.lengths.sum())}
    benchmark.pedantic(lambda: database.own(Window("0", 0, 300), whole_clip=True), rounds=1)


def name_of_entry(database: Database, entry: int) -> str:
    window = database.windows[entry]
    return f"{window.clip_id}/{window.start}"
