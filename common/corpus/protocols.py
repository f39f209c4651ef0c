"""The protocols the suite knows by name: those of published BEAT2 tables, and the clean ones of its own."""

from typing import Any

from gesturebench.common.corpus.given import Given
from gesturebench.common.corpus.protocol import Protocol
from gesturebench.common.corpus.units import Cut

SPEAKER_2_TEST = tuple(f"2_scott_0_{n}_{n}" for n in (*range(1, 9), 65, 73, 81, 87, 95, 103, 111))
"""The 15 test clips of speaker 2 in the released split."""
ENGLISH = (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 27, 28, 30)
"""The 25 speakers of BEAT2 English."""

Settings = dict[str, dict[str, Any]]

_CLEAN: Settings = {"bc": {"variant": "clean"}, "stress_beats": {}, "l1div": {"root": "kept"}}
_ALL_CLEAN: Settings = {
    "fgd": {"pairing": "paired"},
    **_CLEAN,
    "diversity": {},
    "srgr": {"variant": "legacy"},
    "mpjpe": {"alignment": "per_frame", "joints": "all"},
    "face_mse": {},
    "lvd": {},
    "plausibility": {},
}
_PUBLISHED_FGD = {"encoder": "published", "pairing": "paired", "features": "whole_clip", "distance": "legacy"}
_EMAGE: Settings = {
    "fgd": _PUBLISHED_FGD,
    "bc": {"variant": "legacy_folded", "mask": 60},
    "l1div": {"root": "kept"},
    "srgr": {"variant": "legacy"},
    "face_mse": {},
    "lvd": {},
}
_RAG: Settings = {
    "fgd": _PUBLISHED_FGD,
    "bc": {"variant": "rag", "mask": 10},
    "l1div": {"root": "kept"},
    "diversity": {"frames": 300, "origin": "none"},
    "multimodality": {"samples": 5, "missing": "refuse"},
    "srgr": {"variant": "rag"},
    "face_mse": {},
    "lvd": {},
}
_CONTROL_SEEDS = 30
"""Frames at the start of a window that are never scored: the longest seed among the methods of that table."""


_WINDOW = 64


def _exges_control(k: int, given: Given, told: str, variant: str = "", **settings: Any) -> Protocol:
    """`settings` of MPJPE that differ from those of the main protocols."""
    return Protocol(
        name="-".join(filter(None, ("exges-control", variant, str(k) if k > 1 else ""))),
        description=f"Windows of {_WINDOW} frames of the 15 test clips of speaker 2, each generated alone, in which a "
        f"method is given {told}. The paper leaves the settings open; these are ours.",
        reproduces=() if variant else ("ExGes Table 2",),
        speakers=(2,),
        ids=SPEAKER_2_TEST,
        cut=Cut(window=_WINDOW),
        given=given,
        evaluators={
            "mpjpe": {
                "alignment": "per_frame",
                "joints": "body_hands",
                "also": "body",
                "average": "clips",
                "seed_frames": _CONTROL_SEEDS,
                "control_frames": k,
            }
            | settings
        },
    )


def _poses(k: int, kind: str) -> str:
    return f"{k} {kind} pose" + ("s" if k > 1 else "")


_RATED = "; errors of the other frames after the first 30, averaged over windows"


def _evenly(k: int) -> Protocol:
    return _exges_control(k, Given(frames=k), f"{_poses(k, 'evenly spaced true')}{_RATED}")


def _randomly(k: int) -> Protocol:
    told = f"{_poses(k, 'true')} at places drawn for each window and seed{_RATED}"
    return _exges_control(k, Given(frames=k, placement="random"), told, "random")


def _seeded(k: int) -> Protocol:
    told = f"its true first {_CONTROL_SEEDS} frames and {_poses(k, 'evenly spaced true')}{_RATED}"
    return _exges_control(k, Given(frames=k, start=_CONTROL_SEEDS), told, "seeded")


def _foreign() -> Protocol:
    told = (
        "one pose of another clip of the speaker, body and hands, in its middle; errors of that frame against the pose "
        "that was given, with bodies that face one way"
    )
    given, settings = Given(frames=1, source="foreign"), {"scored": "control", "orientation": "zeroed"}
    return _exges_control(1, given, told, "foreign", seed_frames=0, **settings)


_COUNTS = (1, 2, 3)

_ALL = (
    Protocol(
        name="standin",
        description="Whole test clips at 30 fps; FGD against the other half of the split, so that the ground truth "
        "scores its floor, not 0.",
        evaluators={"fgd": {"pairing": "cross_half"}, **_CLEAN, "semantic_hit": {}},
    ),
    Protocol(
        name="beat2",
        description="Whole test clips at 30 fps, all speakers; FGD of all predictions against all references.",
        evaluators=_ALL_CLEAN,
    ),
    Protocol(
        name="self",
        description="Every clip of a folder at 30 fps; FGD of all predictions against all references.",
        split="all",
        evaluators=_ALL_CLEAN,
    ),
    Protocol(
        name="emage-spk2",
        description="The 15 test clips of speaker 2, whole seconds of them, as the released EMAGE and MambaTalk code "
        "scores them: beats of positions that the diversity score had folded, both sides cut to what was generated.",
        reproduces=(
            "EMAGE Table 4",
            "EMAGE released checkpoint log",
            "MambaTalk Table 1 (main, BEATX)",
            "ExGes Table 1",
            "ExGes Table 3",
        ),
        speakers=(2,),
        ids=SPEAKER_2_TEST,
        cut=Cut(whole_seconds=True, multiple=8),
        length="shorter",
        evaluators=_EMAGE,
    ),
    Protocol(
        name="raggesture-spk2",
        description="Windows of 10 s of the 15 test clips of speaker 2 as RAG-Gesture's scripts score them, against "
        "ground truth that went through 15 fps.",
        reproduces=("RAG-Gesture protocol, 1 speaker",),
        speakers=(2,),
        ids=SPEAKER_2_TEST,
        cut=Cut(window=300),
        reference="raggesture_export",
        evaluators=_RAG,
    ),
    Protocol(
        name="raggesture-all",
        description="Windows of 10 s of the test clips of all 25 speakers as RAG-Gesture's scripts score them, against "
        "ground truth that went through 15 fps.",
        reproduces=("RAG-Gesture main comparison (all 25 speakers)", "RAG-Gesture protocol, all speakers"),
        speakers=ENGLISH,
        cut=Cut(window=300),
        reference="raggesture_export",
        evaluators=_RAG,
    ),
    *map(_evenly, _COUNTS),
    *map(_randomly, _COUNTS),
    *map(_seeded, _COUNTS),
    _foreign(),
)
PROTOCOLS = {protocol.name: protocol for protocol in _ALL}
