"""Retrieval of one configuration on one corpus: from a window of a speech to gestures on latent slots."""

from collections.abc import Sequence

from gesturebench.common.corpus.clip import Speech
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import Window
from gesturebench.common.llm import Answer
from gesturebench.common.motion.seams import window_starts
from gesturebench.common.retrieval.database import STORE_FPS, Database, Reading, excerpt, read_database
from gesturebench.methods.rag_gesture import conditions
from gesturebench.methods.rag_gesture.config import RagGestureConfig, RetrievalConfig
from gesturebench.methods.rag_gesture.hits import Point
from gesturebench.methods.rag_gesture.placement import Grid, Placed, Placement, placed
from gesturebench.methods.rag_gesture.strategies import answer, strategy


class Retriever:
    """Needs the training split of a store, and nothing that is trained."""

    def __init__(self, config: RagGestureConfig, store: ClipStore):
        codec = config.codec
        self.config, self._store = config, store
        self.grid = Grid(codec.frames, codec.fps, codec.vae.chunk)
        self._step = STORE_FPS // codec.fps
        encoding = config.conditions.encoding
        self._reading = Reading(
            fold_case=config.retrieval.prominence_words == "casefold",
            source=encoding.source if encoding and encoding.text else "words",
            texts=conditions.texts(config.conditions),
        )
        self.database = self._read(config.retrieval)
        self._find = strategy(config.retrieval, self.database)

    def _read(self, config: RetrievalConfig) -> Database | None:
        if config.strategy == "none":
            return None
        return read_database(
            self._store,
            "train",
            length=self.grid.frames * self._step,
            stride=config.window_stride * self._step,
            oracle=config.strategy == "positions",
            reading=self._reading,
        )

    def windows(self, speech: Speech) -> list[Window]:
        """The windows a speech is generated in, in the frames of the store; the last one may reach past the end."""
        total = max(1, -(-speech.n_frames(STORE_FPS) // self._step))
        starts = window_starts(total, self.grid.frames, self.config.overlap)
        return [Window(speech.clip_id, start * self._step, self.grid.frames * self._step) for start in starts]

    def points(self, speech: Speech, window: Window, seed: int) -> list[Point]:
        """What is asked for in a window, and found."""
        if self.database is None:
            return []
        return self._find(excerpt(speech, window, self._reading), seed)

    def answer(self, speech: Speech, window: Window) -> Answer | None:
        """What a language model said of a window, None where none is asked."""
        retrieval = self.config.retrieval
        if "llm" not in (retrieval.strategy, retrieval.places if retrieval.strategy == "random" else ""):
            return None
        return answer(excerpt(speech, window, self._reading), retrieval)

    def placements(self, speech: Speech, window: Window, seed: int) -> list[Placement]:
        """The gestures of a window on its slots."""
        return [p.placement for p in self.placed(self.points(speech, window, seed)) if p and p.placement]

    def placed(self, points: Sequence[Point]) -> list[Placed | None]:
        """What became of each point's hit, None where there was none."""
        retrieval = self.config.retrieval
        hits = [point.hit for point in points if point.hit]
        outcomes = iter(placed(hits, self.grid, retrieval.pad_before_s, retrieval.pad_after_s))
        return [next(outcomes) if point.hit else None for point in points]
