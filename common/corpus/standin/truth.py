"""What really happened in a clip: the file that only oracle rows and oracle metrics may read."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gesturebench.common.corpus.standin.choreography import Choreography, Gesture
from gesturebench.common.corpus.standin.presets import ClipName
from gesturebench.common.corpus.standin.scene import Scene
from gesturebench.common.corpus.standin.speech import TimedWord
from gesturebench.common.corpus.standin.stance import Step

_EVENT_FIELDS = (
    "tag", "word", "token", "word_start_s", "word_end_s", "prep_s", "stroke_s", "end_s", "hold_s", "hands", "amplitude",
)  # fmt: skip


def truth(name: ClipName, scene: Scene, plan: Choreography, steps: Sequence[Step]) -> dict[str, Any]:
    """`truth/<id>.json`: gestures made, gesture words left without one, beats, steps. Times in seconds."""
    return {
        "speaker": name.speaker,
        "emotion": name.emotion,
        "events": [_event(name.speaker, g) for g in plan.gestures],
        "ungestured": [_skipped(scene, word) for word in plan.ungestured],
        "beats": [asdict(b) for b in plan.beats],
        "steps": [asdict(s) for s in steps],
    }


def _event(speaker: int, gesture: Gesture) -> dict[str, Any]:
    """`variant` names this speaker's own way of the gesture."""
    return {field: getattr(gesture, field) for field in _EVENT_FIELDS} | {"variant": f"{speaker}/{gesture.tag}"}


def _skipped(scene: Scene, word: TimedWord) -> dict[str, Any]:
    token = scene.script.tokens[word.index]
    times = {"word_start_s": word.start_s, "word_end_s": word.end_s}
    return {"tag": token.tag, "word": token.surface.lower(), "token": word.index} | times
