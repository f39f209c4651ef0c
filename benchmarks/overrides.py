"""Short ways of writing what a row changes: dotted keys, and a section's name for its principal key."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import NoneType
from typing import Any, get_args

from gesturebench.common.config import Config, merged


def opened(overrides: Mapping[str, Any], config: type[Config] | None = None) -> dict[str, Any]:
    """Nested overrides of a configuration; later keys win. Keys that it does not have stay, to be refused by it.

    >>> opened({"retrieval.keep": 3, "guidance": {"lr": 0.1}})
    {'retrieval': {'keep': 3}, 'guidance': {'lr': 0.1}}
    >>> class Retrieval(Config):
    ...     principal = "strategy"
    ...     strategy: str = "none"
    >>> class Method(Config):
    ...     retrieval: Retrieval = Retrieval()
    >>> opened({"retrieval": "discourse"}, Method)
    {'retrieval': {'strategy': 'discourse'}}
    """
    out: dict[str, Any] = {}
    sections = {} if config is None else _sections(config)
    for key, value in overrides.items():
        head, dot, rest = key.partition(".")
        section = sections.get(head)
        value = {rest: value} if dot else value
        if isinstance(value, Mapping) and (dot or section is not None):
            value = opened(value, section)
        elif section is not None and section.principal is not None:
            value = {section.principal: value}
        out = merged(out, {head: value})
    return out


@cache
def _sections(config: type[Config]) -> dict[str, type[Config]]:
    """The fields of a configuration that are configurations themselves, if they are anything."""
    kinds = {name: get_args(field.annotation) or (field.annotation,) for name, field in config.model_fields.items()}
    kinds = {name: [kind for kind in own if kind is not NoneType] for name, own in kinds.items()}
    return {name: own[0] for name, own in kinds.items() if len(own) == 1 and _is_section(own[0])}


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Config)


def common_part(overrides: Mapping[str, Any], has: Mapping[str, Any]) -> dict[str, Any]:
    """What of nested overrides stands in a nested dictionary as well.

    >>> common_part({"training": {"steps": 5}, "codec": {"x": 1}}, {"training": {"steps": 9, "lr": 1}, "codec": {}})
    {'training': {'steps': 5}}
    """
    out: dict[str, Any] = {}
    for key, value in overrides.items():
        if key in has and isinstance(value, Mapping) and isinstance(has[key], Mapping):
            inner = common_part(value, has[key])
            out |= {key: inner} if inner else {}
        elif key in has:
            out[key] = value
    return out


def leaves(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Dotted keys of everything in a nested dictionary that is no section of it."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}"


def strangers(overrides: Mapping[str, Any], configs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Dotted keys of the overrides that none of the configurations has."""
    found = set(leaves(overrides))
    for config in configs:
        found -= set(leaves(common_part(overrides, config)))
    return sorted(found)
