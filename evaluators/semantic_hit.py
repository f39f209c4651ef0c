"""Semantic hit rate: of the speech events that carry a known gesture, how often the motion makes that gesture at that
time.

An oracle metric: it reads the truth of the stand-in corpus. Whether a motion makes a gesture is decided by a classifier
fitted on captured training motion; its accuracy on captured validation motion is the ceiling that any score must be
read against.
"""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.corpus.standin.lexicon import CONNECTIVES
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, write_json
from gesturebench.common.fitting import FitContext
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.gesture_classifier import GestureClassifier
from gesturebench.evaluators.gesture_segments import SegmentConfig, collect, event_features, quality, stroke_intervals
from gesturebench.evaluators.pairs import checked_pair

DISCOURSE_TAGS = frozenset(connective.tag for connective in CONNECTIVES)
FAMILIES = ("iconic", "deictic", "metaphoric")
CLASSIFIER, REPORT = "classifier.npz", "report.json"


class SemanticHitConfig(SegmentConfig):
    """Beside how segments are cut, `shrinkage` of the discriminant, `foreign` penalty on other speakers' neighbours.

    Captured validation motion does not choose between settings (all reach .99 on the demo corpus). These were chosen on
    validation motion that was smoothed, shrunk, disturbed or shifted by up to 200 ms: little shrinkage loses a quarter
    of such gestures, plain nearest neighbours without a discriminant raise more false alarms.
    """

    shrinkage: float = 0.5
    foreign: float = 1.25


@dataclass
class Hits:
    """Counts by true and by predicted gesture, over events: enough for every rate and for chance."""

    hit: Counter = field(default_factory=Counter)
    true: Counter = field(default_factory=Counter)
    predicted: Counter = field(default_factory=Counter)

    @classmethod
    def of(cls, true: list[str], predicted: list[str]) -> "Hits":
        return cls(Counter(t for t, p in zip(true, predicted) if t == p), Counter(true), Counter(predicted))

    def __add__(self, other: "Hits") -> "Hits":
        return Hits(self.hit + other.hit, self.true + other.true, self.predicted + other.predicted)

    @property
    def n(self) -> int:
        return self.true.total()

    def count(self, tags: frozenset[str]) -> int:
        """Events of `tags`."""
        return sum(count for tag, count in self.true.items() if tag in tags)

    def rate(self, tags: frozenset[str] | None = None) -> float | None:
        """Share of the events (of `tags`) that were hit; None where there is no event."""
        tags = frozenset(self.true) if tags is None else tags
        n = self.count(tags)
        return sum(self.hit[tag] for tag in tags) / n if n else None

    @property
    def chance(self) -> float:
        """Expected rate if the predictions were dealt to the events at random: sum over gestures of P(predicted)
        P(true)."""
        return sum(self.predicted[tag] * count for tag, count in self.true.items()) / self.n**2


class SemanticHit(Evaluator):
    """A hit: the classifier names the event's gesture in the event's true stroke interval. Motion may also be none of
    the gestures."""

    name: ClassVar[str] = "semantic_hit"
    Config: ClassVar[type[Config]] = SemanticHitConfig
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "semantic_hit",
            "Semantic hit",
            "higher",
            3,
            oracle=True,
            unit="share of events, 0 to 1",
            formula="events whose true stroke the classifier names / events",
            source="ours, on the truth of the stand-in corpus",
        ),
        Column(
            "semantic_hit_discourse",
            "Discourse hit",
            "higher",
            3,
            oracle=True,
            unit="share of events, 0 to 1",
            formula="the same over the events that connectives caused",
            source="ours, on the truth of the stand-in corpus",
        ),
    )
    fitted: ClassVar[bool] = True
    requires_truth: ClassVar[bool] = True

    @classmethod
    def fit(cls, config: Config, context: FitContext) -> None:
        train = collect(context.store, "train", config, context)
        if not train.tags:
            raise InputError(
                "semantic_hit: no gesture in the training split",
                expected="a corpus with truth",
                remedy="generate a larger stand-in",
            )
        classifier = GestureClassifier.fit(
            train.features, train.tags, train.speakers, shrinkage=config.shrinkage, foreign=config.foreign
        )
        classifier.save(context.out / CLASSIFIER)
        write_json(
            context.out / REPORT,
            {
                **quality(classifier, collect(context.store, "val", config, context)),
                "training_segments": len(train.tags),
            },
        )

    def reset(self) -> None:
        self.hits, self.clips = Hits(), 0

    def update(self, prediction: Motion, clip: Clip) -> dict[str, float]:
        checked_pair(prediction, clip)
        self.clips += 1
        events = self.store.truth(clip.id)
        if not events:
            return {}
        features = event_features(self.store, prediction, clip, stroke_intervals(events), self.config)
        predicted = self._classifier.predict(features, np.full(len(events), clip.speech.speaker))
        hits = Hits.of([event.tag for event in events], predicted)
        self.hits += hits
        values = {"semantic_hit": hits.rate(), "semantic_hit_n": hits.n}
        if discourse := hits.count(DISCOURSE_TAGS):
            values |= {"semantic_hit_discourse": hits.rate(DISCOURSE_TAGS), "semantic_hit_discourse_n": discourse}
        return values

    def merge(self, other: Self) -> None:
        self.hits += other.hits
        self.clips += other.clips

    def compute(self) -> dict[str, Any]:
        if not self.hits.n:
            raise InputError(
                f"semantic_hit: no gesture event in {self.clips} clips",
                expected="at least one",
                remedy="evaluate more clips of the stand-in corpus",
            )
        of_family = {
            family: self.hits.rate(frozenset(tag for tag in self.hits.true if tag.startswith(f"{family}:")))
            for family in FAMILIES
        }
        return {
            "semantic_hit": self.hits.rate(),
            "semantic_hit_discourse": self.hits.rate(DISCOURSE_TAGS),
            **{f"semantic_hit_{family}": rate for family, rate in of_family.items()},
            "chance": self.hits.chance,
            "ceiling": self._report["ceiling"],
            "false_alarm": self._report["false_alarm"],
            "n": self.hits.n,
            "n_discourse": self.hits.count(DISCOURSE_TAGS),
            "clips": self.clips,
        }

    @cached_property
    def _classifier(self) -> GestureClassifier:
        if self.artifact is None:
            raise InputError(
                "semantic_hit has no classifier",
                expected="the folder of a fitted one",
                remedy="run a grid with this metric first",
            )
        return GestureClassifier.load(self.artifact / CLASSIFIER)

    @cached_property
    def _report(self) -> dict[str, Any]:
        return read_json(self.artifact / REPORT)
