"""Typed configuration: owned by the thing it builds, defaults in one place, unknown keys refused with near matches."""

import re
from functools import cache
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from gesturebench.common.errors import InputError, shown, unknown_name


class Config(BaseModel):
    """Base of all configurations: immutable, no unknown keys, numbers finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)

    principal: ClassVar[str | None] = None
    """The key that the name of such a section stands for where people write a grid: `retrieval` for
    `retrieval.strategy`."""

    @classmethod
    def parse(cls, values: dict[str, Any], where: str = "config") -> Self:
        """Validate a plain dictionary; the first fault becomes a one-line `InputError` naming the key.

        >>> class Sampling(Config):
        ...     steps: int = 50
        >>> Sampling.parse({"stepz": 10}, "sampling")
        Traceback (most recent call last):
        gesturebench.common.errors.InputError: unknown key of sampling 'stepz'; expected one of steps; did you mean
        'steps'?
        """
        _refuse_truth_for_a_number(cls, values, where)
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _first_fault(cls, error, where) from error

    def updated(self, overrides: dict[str, Any], where: str = "config") -> Self:
        """A validated copy in which nested `overrides` replace single keys and leave their neighbours alone."""
        return type(self).parse(merged(self.model_dump(), overrides), where)


def _refuse_truth_for_a_number(cls: type[BaseModel], values: Any, where: str) -> None:
    """To Python `true` is 1; `gpus: yes` was meant for something else."""
    for name, value in values.items() if isinstance(values, dict) else ():
        if type(value) is bool and _kinds(cls, name) <= {int, float, type(None)}:
            raise InputError(f"{where}.{name} = {value}", expected="a number", remedy="correct the value")
        elif type(value) is dict:
            for section in _kinds(cls, name):
                if isinstance(section, type) and issubclass(section, BaseModel):
                    _refuse_truth_for_a_number(section, value, f"{where}.{name}")


@cache
def _kinds(cls: type[BaseModel], name: str) -> frozenset[Any]:
    """The types that a field's annotation is made of; of a field that is not there a type that no value has."""
    if name not in cls.model_fields:
        return frozenset({object})
    kinds, found = [cls.model_fields[name].annotation], set()
    while kinds:
        kind = kinds.pop()
        inner = [part for part in get_args(kind) if isinstance(part, type) or get_args(part)]  # constraints are neither
        kinds += inner
        found |= set() if inner else {kind}
    return frozenset(found)


def merged(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Recursive dictionary update without mutation.

    >>> merged({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}})
    {'a': {'x': 1, 'y': 3}}
    """
    out = dict(base)
    for key, value in overrides.items():
        nested = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if nested else value
    return out


def _first_fault(cls: type[BaseModel], error: ValidationError, where: str) -> InputError:
    fault = min(
        error.errors(), key=lambda found: found["type"] != "extra_forbidden"
    )  # a misspelt key explains a missing one
    path = [str(part) for part in fault["loc"]]
    if fault["type"] == "extra_forbidden":
        owner = cls
        for part in path[:-1]:
            field = owner.model_fields.get(part)
            annotation = field.annotation if field else None
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                owner = annotation
        return unknown_name(f"key of {'.'.join([where, *path[:-1]])}", path[-1], owner.model_fields)
    name, value = ".".join([where, *path]), fault.get("input")
    if fault["type"] == "missing":
        return InputError(f"{where}: no key {'.'.join(path)!r}", expected="this key", remedy="add it")
    if fault["type"] == "literal_error" and isinstance(value, str):
        return unknown_name(f"value of {name}", value, re.findall("'([^']*)'", fault["ctx"]["expected"]))
    if fault["type"] == "invalid_key" or path[-1:] == ["[key]"]:
        where = ".".join([where, *path[: -2 if path[-1] == "[key]" else -1]])
        return InputError(f"key {shown(value)} of {where}", expected="a text", remedy="correct the key, or quote it")
    message = fault["msg"].lower().removeprefix("input should be ").removeprefix("value error, ")
    expected = _IN_YAML.get(fault["type"], message)
    return InputError(f"{name} = {shown(value)}", expected=expected, remedy="correct the value")


_IN_YAML = {"model_type": "a mapping", "dict_type": "a mapping", "tuple_type": "a list", "string_type": "a text"}
"""What people write where a fault of this type is found; others are told in pydantic's words."""
