"""The verb `protocols`: what the suite can be compared with, and how."""

from gesturebench.common.corpus.protocol import Protocol, get_protocol
from gesturebench.console import console


def show_protocols() -> None:
    from rich.table import Table

    from gesturebench.common.corpus.protocols import PROTOCOLS

    table = Table(box=None)
    for heading in ("protocol", "hash"):
        table.add_column(heading, no_wrap=True)
    for heading in ("clips", "scored", "metrics"):
        table.add_column(heading)
    for protocol in PROTOCOLS.values():
        metrics = ", ".join(protocol.evaluators)
        table.add_row(protocol.name, protocol.hash, _clips(protocol), str(protocol.cut), metrics)
    console().print(table)


def show_protocol(name: str) -> None:
    """The definition, one fact a line."""
    protocol, screen = get_protocol(name), console()
    for line in described(protocol):
        screen.print(line, markup=False, soft_wrap=True)


def described(protocol: Protocol) -> list[str]:
    facts = {
        "protocol": f"{protocol.name} ({protocol.hash})",
        "what": protocol.description,
        "tables": "; ".join(protocol.reproduces) or "none",
        "clips": _clips(protocol),
        "split hash": protocol.split_hash or "any (recorded with the numbers)",
        "ids": ", ".join(protocol.ids or ()) or "whatever the split holds",
        "scored": f"{protocol.cut} at {protocol.fps} fps",
        "lengths": protocol.length,
        "reference": protocol.reference,
        "encoder": protocol.encoder or "any (recorded with the numbers)",
    }
    lines = [f"{name:10} {value}" for name, value in facts.items()]
    for metric, settings in protocol.evaluators.items():
        told = ", ".join(f"{key} {value}" for key, value in settings.items())
        lines.append(f"{'metric':10} {metric}: {told or 'defaults'}")
    return lines


def _clips(protocol: Protocol) -> str:
    count = "" if protocol.ids is None else f"{len(protocol.ids)} "
    return f"{count}{protocol.split}, {protocol.who}"
