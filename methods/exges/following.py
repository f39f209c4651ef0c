"""What a speech is to go through: keyframes that retrieval finds for it, and what the user gives."""

from collections.abc import Sequence
from typing import Any

from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.cross_local.stitching import Layout
from gesturebench.methods.base import Control
from gesturebench.methods.exges.config import FPS, ExgesConfig
from gesturebench.methods.exges.keyframes import both, capped, checked, clear_of, covering, nothing, placed
from gesturebench.methods.exges.retrieval.keyframes import Keyframe
from gesturebench.methods.exges.retrieval.search import Retriever


class Followed:
    """The choice of a run; `retriever` is None where it looks for nothing."""

    def __init__(self, config: ExgesConfig, retriever: Retriever | None):
        self._network, self._config, self._retriever = config.network, config.keyframes, retriever

    def control(self, speech: Speech, control: Control | None, seed: int) -> Control:
        """As long as the speech. The user's poses win over keyframes, and keyframes near them are left out. With the
        source `ground_truth` a control is the true motion, of which the frames of the keyframes are taken."""
        frames = speech.n_frames(FPS)
        user = nothing(frames) if control is None else covering(checked(control), frames)
        if self._config.source == "ground_truth":
            return placed(self._capped(self._found(speech, seed, user.motion), speech), frames, self._config)
        found = clear_of(self._found(speech, seed), user.mask, self._config.clearance)
        return both(user, placed(self._capped(found, speech), frames, self._config))

    def explain(self, speech: Speech, seed: int) -> list[dict[str, Any]]:
        """Of each segment what it asked and found; a keyframe that is `kept` is followed where the user gives
        nothing. Keyframes of the source `ground_truth` are in the frames of retrieved ones, which are shown."""
        if self._retriever is None:
            return []
        source = self._config.source
        told = self._retriever.explain(speech, "retrieved" if source == "ground_truth" else source, seed=seed)
        found = [segment["keyframe"] for segment in told if segment["keyframe"]]
        kept = self._kept([one["frame"] for one in found], [one["similarity"] for one in found], speech)
        for number, keyframe in enumerate(found):
            keyframe["kept"] = number in kept
        return told

    def _found(self, speech: Speech, seed: int, truth: Motion | None = None) -> list[Keyframe]:
        if self._retriever is None:
            return []
        return self._retriever.keyframes(speech, self._config.source, seed=seed, truth=truth)

    def _capped(self, keyframes: Sequence[Keyframe], speech: Speech) -> list[Keyframe]:
        kept = self._kept([one.frame for one in keyframes], [one.similarity for one in keyframes], speech)
        return [keyframes[number] for number in kept]

    def _kept(self, frames: Sequence[int], similarities: Sequence[float], speech: Speech) -> list[int]:
        layout = Layout(speech.n_frames(FPS), self._network.frames, self._network.seed_frames)
        starts = [start - layout.seed for start in layout.starts]
        return capped(frames, similarities, starts, layout.window, self._config.per_window)
