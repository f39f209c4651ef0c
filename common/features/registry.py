"""The speech features there are: each declared once, with its width and a version, raised when its numbers change."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import numpy as np

from gesturebench.common.corpus.clip import Speech
from gesturebench.common.errors import unknown_name

RATE = 30
"""Rows per second of every feature: row k belongs to the motion frame at k / 30 s."""


@dataclass(frozen=True)
class Feature:
    """A function Speech -> (speech.n_frames(30), `dim`) float32, found at `module` (imported when first used)."""

    name: str
    dim: int
    version: int
    module: str

    def compute(self, speech: Speech) -> np.ndarray:
        function: Callable[[Speech], np.ndarray] = getattr(import_module(self.module), self.name)
        return function(speech)


FEATURES: dict[str, Feature] = {
    feature.name: feature
    for feature in (
        Feature("mel", 66, 1, "gesturebench.common.features.mel"),
        Feature("prosody", 3, 1, "gesturebench.common.features.prosody"),
        Feature("words", 64, 1, "gesturebench.common.features.words"),
    )
}


def feature_named(name: str) -> Feature:
    if name not in FEATURES:
        raise unknown_name("feature", name, FEATURES)
    return FEATURES[name]


def compute_feature(name: str, speech: Speech) -> np.ndarray:
    """(speech.n_frames(30), dim) float32: the same rows that the clip store holds for a clip of the corpus."""
    return feature_named(name).compute(speech)
