"""What a strategy answers: moments that were asked for, the ranked list of each, and the gesture that is taken."""

from dataclasses import dataclass

from gesturebench.common.corpus.windows import Window
from gesturebench.common.retrieval.excerpt import Anchor
from gesturebench.common.retrieval.ranking import Match


@dataclass(frozen=True)
class Hit:
    """`source` seconds inside the retrieved `window`, `query` seconds inside the test window, what was asked for, its
    score, and what was `found` there. A `labelled` source spans a whole gesture, others the word at its heart.
    """

    window: Window
    source: tuple[float, float]
    query: tuple[float, float]
    asked: str
    score: float
    found: str = ""
    labelled: bool = False


@dataclass(frozen=True)
class Point:
    """A moment that was asked for: the ranked list (empty for controls, which do not rank) and the hit, if any."""

    asked: Anchor
    ranked: tuple[Match, ...]
    hit: Hit | None
