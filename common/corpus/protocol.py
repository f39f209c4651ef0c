"""Protocols: what is scored on which data and how, named and hashed, so that numbers can say what they are comparable
with."""

from typing import Any, Literal

from pydantic import Field

from gesturebench.common.config import Config
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.files import sha256_json


class Protocol(Config):
    """How generated motion is scored.

    `split` of the corpus (`all` for a folder without splits), `fps` at which motion is compared, `speakers` by BEAT2
    number (None: everybody), `evaluators` the metrics with the settings that differ from their defaults. Whole clips
    are scored.
    """

    name: str
    description: str
    split: Literal["train", "val", "test", "additional", "all"] = "test"
    fps: Literal[30] = 30
    speakers: tuple[int, ...] | None = None
    evaluators: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that change with everything but the description."""
        return sha256_json(self.model_dump(exclude={"description"}))[:12]

    def scope(self) -> dict[str, Any]:
        """What every metric shares: the clips and the frame rate."""
        return {
            "split": self.split,
            "fps": self.fps,
            "speakers": None if self.speakers is None else sorted(self.speakers),
        }

    def settings(self, metric: str) -> dict[str, Any]:
        """The settings of one metric; a metric that the protocol does not define is an `InputError`."""
        if metric not in self.evaluators:
            raise unknown_name(f"metric of protocol {self.name!r}", metric, self.evaluators)
        return self.evaluators[metric]

    def clips(self, store) -> tuple[str, ...]:
        """Ids of the clips in a `ClipStore` that are scored, sorted."""
        ids = store.ids if self.split == "all" else store.split(self.split)
        if self.speakers is not None:
            ids = tuple(i for i in ids if int(i.split("_")[0]) in self.speakers)
        if not ids:
            raise InputError(
                f"{store.path}: no clip in split {self.split!r} of speakers {self.speakers}",
                expected="at least one clip to score",
            )
        return tuple(sorted(ids))


_CLEAN: dict[str, dict[str, Any]] = {"bc": {"variant": "clean"}, "l1div": {"root": "kept"}}

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="standin",
            description="Whole test clips at 30 fps; FGD against the other half of the split, so that the ground truth "
            "scores its floor, not 0.",
            evaluators={"fgd": {"pairing": "cross_half"}, **_CLEAN, "semantic_hit": {}},
        ),
        Protocol(
            name="beat2",
            description="Whole test clips at 30 fps, all speakers; FGD of all predictions against all references.",
            evaluators={"fgd": {"pairing": "paired"}, **_CLEAN},
        ),
        Protocol(
            name="self",
            description="Every clip of a folder at 30 fps; FGD of all predictions against all references.",
            split="all",
            evaluators={"fgd": {"pairing": "paired"}, **_CLEAN},
        ),
    )
}


def get_protocol(name: str) -> Protocol:
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
