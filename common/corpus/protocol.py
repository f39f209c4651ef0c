"""Protocols: what is scored on which data and how, named and hashed, so that numbers can say what they are comparable
with."""

from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from gesturebench.common.config import Config
from gesturebench.common.corpus.given import Given
from gesturebench.common.corpus.units import Cut, Length, Reference, Unit
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.files import sha256_json

ON_STANDIN = "-on-standin"
"""Ends the name of a protocol of BEAT2 as the stand-in corpus can be scored under it."""


class Protocol(Config):
    """How generated motion is scored.

    `split` of the corpus (`all` for a folder without splits), `speakers` by BEAT2 number (None: everybody), `ids` the
    clips that must be there (None: whatever the split holds), `fps` at which motion is compared, `cut` the scored
    frames of a clip, `length` what becomes of predictions of another length, `reference` what they are compared with,
    `given` the poses that methods get beside the speech, window by window, if they take any, `encoder` the sha256 of
    FGD's published weights file (None: recorded with the numbers, but any is accepted), `evaluators` the metrics with
    the settings that differ from their defaults. `reproduces` names published tables.
    """

    name: str
    description: str
    reproduces: tuple[str, ...] = ()
    split: Literal["train", "val", "test", "additional", "all"] = "test"
    speakers: tuple[int, ...] | None = None
    ids: tuple[str, ...] | None = None
    fps: Literal[30] = 30
    cut: Cut = Cut()
    length: Length = "equal"
    reference: Reference = "captured"
    given: Given | None = None
    encoder: str | None = None
    evaluators: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _poses_lie_in_windows(self) -> Self:
        given, window = self.given, self.cut.window
        if given is not None and (window is None or max(given.frames, given.start) > window):
            raise ValueError(f"given frames ({given.frames}, first {given.start}) inside windows of cut.window frames")
        return self

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that change with everything but the words about it."""
        words = {"description", "reproduces"} | ({"given"} if self.given is None else set())
        return sha256_json(self.model_dump(exclude=words))[:12]

    @property
    def split_hash(self) -> str | None:
        """Of the clips that must be there, see `hash_of_ids`."""
        return None if self.ids is None else hash_of_ids(self.ids)

    def scope(self) -> dict[str, Any]:
        """What decides which motion has to be generated: the clips, the frame rate, and what is given in which
        windows."""
        scope = {
            "split": self.split,
            "fps": self.fps,
            "speakers": None if self.speakers is None else sorted(self.speakers),
        }
        if self.given is None:
            return scope
        return scope | {"cut": self.cut.model_dump(mode="json"), "given": self.given.model_dump(mode="json")}

    def comparison(self) -> dict[str, Any]:
        """What every metric shares: the clips, and how both sides of a pair are made where it is not the plain way."""
        chosen = {"cut": self.cut, "length": self.length, "reference": self.reference}
        plain = {name: type(self).model_fields[name].default for name in chosen}
        dumped = self.model_dump(mode="json", include=set(chosen))
        return self.scope() | {name: dumped[name] for name, value in chosen.items() if value != plain[name]}

    def settings(self, metric: str) -> dict[str, Any]:
        """The settings of one metric; a metric that the protocol does not define is an `InputError`."""
        if metric not in self.evaluators:
            raise unknown_name(f"metric of protocol {self.name!r}", metric, self.evaluators)
        return self.evaluators[metric]

    @property
    def is_bound(self) -> bool:
        """Whether it asks for clips, speakers or weights that BEAT2 alone has."""
        published = any(settings.get("encoder") == "published" for settings in self.evaluators.values())
        return published or (self.ids, self.speakers, self.encoder) != (None, None, None)

    def on_standin(self) -> "Protocol":
        """What is left of it on the stand-in corpus: every cut and setting, for the clips of its whole split, with
        encoders trained on the corpus where published ones are asked for. Another protocol, with another name and
        hash."""
        if not self.is_bound:
            return self
        evaluators = {
            metric: settings | ({"encoder": "trained"} if settings.get("encoder") == "published" else {})
            for metric, settings in self.evaluators.items()
        }
        return self.model_copy(
            update={
                "name": self.name + ON_STANDIN,
                "description": f"The settings of {self.name} on the stand-in corpus: all clips of its {self.split} "
                "split, trained encoders in place of published ones. Not comparable with any published number.",
                "reproduces": (),
                "speakers": None,
                "ids": None,
                "encoder": None,
                "evaluators": evaluators,
            }
        )

    def clips(self, store, *, partial: bool = False) -> tuple[str, ...]:
        """Sorted ids of the clips in a `ClipStore` that are scored; unless `partial`, all that must be there are."""
        split = store.ids if self.split == "all" else store.split(self.split)
        source = getattr(store, "info", {}).get("source", store.path)
        ids = self.chosen(split, f"run `gesturebench data check {source}`", partial=partial)
        if not ids:
            raise InputError(
                f"{store.path}: no clip in split {self.split!r} of {self.who}",
                expected="at least one clip to score",
                remedy="choose another protocol (`gesturebench protocols`) or other data",
            )
        return ids

    def chosen(self, ids: Iterable[str], remedy: str, *, partial: bool = False) -> tuple[str, ...]:
        """The clips of `ids` that are scored, sorted; `remedy` is the advice where others are asked for."""
        found = {i for i in ids if self.speakers is None or speaker_of(i) in self.speakers}
        lack = None if partial else self.lack(found)
        if lack is not None:
            raise InputError(f"protocol {self.name!r} needs {lack}", remedy=remedy)
        return tuple(sorted(found if self.ids is None else found & set(self.ids)))

    def lack(self, clips: Iterable[str]) -> str | None:
        """What tells these clips from those that the protocol asks for; None if they are the ones."""
        found = set(clips)
        if self.ids is not None and found != set(self.ids):
            faults = ((set(self.ids) - found, "missing"), (found - set(self.ids), "not one of them"))
            told = "; ".join(_listed(sorted(names), what) for names, what in faults if names)
            return f"{len(self.ids)} {self.split} clips, found {len(found)}: {told}"
        absent = sorted(set(self.speakers or ()) - {speaker_of(i) for i in found})
        if absent:
            told = _listed([str(number) for number in absent], "missing")
            return f"{self.split} clips of {self.who}, found {len(self.speakers) - len(absent)}: {told}"
        return None

    def units(self, store, *, partial: bool = False) -> tuple[Unit, ...]:
        """What is scored in a `ClipStore`, clip after clip."""
        clips = self.clips(store, partial=partial)
        units = tuple(unit for clip in clips for unit in self.cut.units(clip, store.n_frames(clip)))
        if not units:
            raise InputError(
                f"{store.path}: none of {len(clips)} clips is long enough for protocol {self.name!r}",
                expected=str(self.cut),
                remedy="choose a protocol that scores whole clips",
            )
        return units

    @property
    def who(self) -> str:
        if self.speakers is None:
            return "any speaker"
        if len(self.speakers) == 1:
            return f"speaker {self.speakers[0]}"
        return f"{len(self.speakers)} speakers"


def hash_of_ids(ids: Iterable[str]) -> str:
    """sha256 of the sorted clip ids, one per line: the identity of a split."""
    import hashlib

    return hashlib.sha256("".join(f"{i}\n" for i in sorted(ids)).encode()).hexdigest()


def speaker_of(clip_id: str) -> int:
    """BEAT2 number of the speaker, the first field of a clip id."""
    number = clip_id.split("_")[0]
    if not number.isdecimal():
        raise InputError(f"clip id {clip_id!r}", expected="speaker_name_type_start_end such as 2_scott_0_1_1")
    return int(number)


def _listed(names: list[str], what: str, shown: int = 5) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{', '.join(names[:shown])}{more} {'is' if len(names) == 1 else 'are'} {what}"


def get_protocol(name: str) -> Protocol:
    from gesturebench.common.corpus.protocols import PROTOCOLS

    bound = PROTOCOLS.get(name.removesuffix(ON_STANDIN))
    if name.endswith(ON_STANDIN) and bound is not None and bound.is_bound:
        return bound.on_standin()
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
