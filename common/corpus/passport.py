"""A protocol bound to data: what was really scored, hashed, so that numbers of other clips, data or encoders are told
apart even where they carry the same protocol's name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gesturebench.common.corpus.protocol import Protocol, hash_of_ids
from gesturebench.common.corpus.units import Unit
from gesturebench.common.errors import InputError
from gesturebench.common.files import sha256_json


@dataclass(frozen=True)
class Passport:
    """`units` that were scored, `data` the fingerprint of the corpus (None where the predictions brought their own
    ground truth), `encoders` the identity of every trained part by metric, `partial` whether less was scored than the
    protocol asks for."""

    protocol: Protocol
    units: Sequence[Unit]
    data: str | None
    is_standin: bool = False
    encoders: Mapping[str, str] = field(default_factory=dict)
    partial: bool = False

    @property
    def clips(self) -> tuple[str, ...]:
        return tuple(sorted({unit.clip_id for unit in self.units}))

    @property
    def reference(self) -> Literal["data", "predictions"]:
        """Where the ground truth came from: a data folder, or the folder of the predictions."""
        return "predictions" if self.data is None else "data"

    def bound(self) -> dict[str, Any]:
        """What the definition leaves open, as it was found."""
        return {
            "clips": len(self.clips),
            "clips_hash": hash_of_ids(self.clips),
            "units": len(self.units),
            "units_hash": hash_of_ids(unit.id for unit in self.units),
            "data": self.data,
            "reference": self.reference,
            "encoders": dict(self.encoders),
            "partial": self.partial,
        }

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits of definition and findings."""
        return sha256_json({"protocol": self.protocol.hash, **self.bound()})[:12]

    def record(self) -> dict[str, Any]:
        """All of it, for a run record or a file of results."""
        return {
            "protocol": self.protocol.name,
            "protocol_hash": self.protocol.hash,
            "definition": self.protocol.model_dump(mode="json"),
            "bound": self.bound(),
            "bound_hash": self.hash,
            "data": self.data,
            "is_standin": self.is_standin,
            "clips": len(self.clips),
        }


def encoders_of(metrics: Mapping[str, Mapping[str, Any]], protocol: Protocol) -> dict[str, str]:
    """Identity of every trained part that metrics report as `encoder`; another than the protocol's is refused."""
    found = {metric: numbers["encoder"] for metric, numbers in metrics.items() if "encoder" in numbers}
    for metric, encoder in found.items():
        if protocol.encoder is not None and not protocol.encoder.startswith(encoder):
            raise InputError(
                f"{metric}: encoder {encoder}",
                expected=f"{protocol.encoder[:16]}, the one of protocol {protocol.name!r}",
                remedy="use the published weights file",
            )
    return found
