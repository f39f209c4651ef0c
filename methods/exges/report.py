"""The retrieval report of a clip: what each segment of speech asked for and found, and which keyframe it gave.

Plain data, in the form that `gesturebench retrieval` shows for every method. Times in seconds of a recording.
"""

from collections.abc import Mapping
from typing import Any

from gesturebench.common.corpus.clip import Speech
from gesturebench.methods.exges.config import FPS
from gesturebench.methods.exges.following import Followed

CROWDED = "more similar keyframes fill its window"


def explained(followed: Followed, source: str, speech: Speech, seed: int) -> dict[str, Any]:
    """`clip`, `strategy`, `seed`, `duration_s`, `words`; one of `windows`, the whole speech, with a point for each
    segment; and the `segments` as `Followed.explain` tells them."""
    segments = followed.explain(speech, seed)
    return {
        "clip": speech.clip_id,
        "strategy": f"{source} keyframes",
        "seed": seed,
        "duration_s": speech.duration_s,
        "words": [[word.text, word.start_s, word.end_s] for word in speech.words],
        "windows": [{"start_s": 0.0, "end_s": speech.duration_s, "points": [_point(one) for one in segments]}],
        "segments": segments,
    }


def _point(segment: Mapping[str, Any]) -> dict[str, Any]:
    ranked, keyframe = [_match(entry) for entry in segment["found"]], segment["keyframe"]
    return {
        "word": segment["text"],
        "kind": "segment",
        "start_s": segment["start_s"],
        "end_s": segment["end_s"],
        "prominence": None,
        "ranked": ranked,
        "found": _taken(keyframe) if keyframe else None,
        "placed": _placed(keyframe["frame"]) if keyframe and keyframe["kept"] else None,
        "dropped": CROWDED if keyframe else segment["reason"],
    }


def _match(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of the motion base; its similarity is of sound and motion, nothing compares texts."""
    first, stop = entry["frames"]
    return {
        "clip": entry["recording"],
        "window_s": first / FPS,
        "word": entry["text"],
        "kind": "segment",
        "start_s": first / FPS,
        "end_s": stop / FPS,
        "score": entry["similarity"],
        "terms": {"similarity": entry["similarity"]},
        "text": None,
    }


def _taken(keyframe: Mapping[str, Any]) -> dict[str, Any]:
    """A single pose of the recording it was found in."""
    at = keyframe["source_frame"] / FPS
    return {
        "clip": keyframe["recording"],
        "window_s": at,
        "what": f"frame {keyframe['source_frame']}",
        "start_s": at,
        "end_s": at,
        "score": keyframe["similarity"],
    }


def _placed(frame: int) -> dict[str, Any]:
    return {"slots": [frame, frame + 1], "start_s": frame / FPS, "end_s": (frame + 1) / FPS, "moved": False}
