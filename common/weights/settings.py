"""What published folders say beside their tensors, in YAML and in Python files: read as values, never executed."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from gesturebench.common.errors import InputError

Settings = dict[str, Any]
"""Values by their own name, wherever in the file they stand; one further out wins over one further in."""


class _Values(yaml.SafeLoader):
    """Reads objects of Python, which trainers write for their settings, as the plain values they consist of."""


def _plain(loader: _Values, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Values.add_multi_constructor("tag:yaml.org,2002:python/", _plain)


def read_yaml(path: Path) -> Settings:
    """The values of a YAML file."""
    text = _text(path)
    try:
        content = yaml.load(text, Loader=_Values)  # a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path}: not valid YAML ({_line(error)})", remedy="download it again") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: holds a {type(content).__name__}", expected="settings by name")
    return _by_name(content)


def read_python(path: Path) -> Settings:
    """The values that a Python file assigns, as far as they can be told without running it: literals, lists and
    dictionaries of them, `dict(...)`, and names that were assigned such values. What is anything else is left out.
    """
    try:
        tree = ast.parse(_text(path))
    except (SyntaxError, ValueError) as error:
        raise InputError(f"{path}: not valid Python ({_line(error)})", remedy="download it again") from error
    assigned: dict[str, Any] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name) and (value := _literal(statement.value, assigned)) is not _UNKNOWN:
                assigned[target.id] = value
    return _by_name(assigned)


def _by_name(content: Mapping[str, Any]) -> Settings:
    """Outer values first, so that they stay."""
    found: Settings = {}
    level: list[Mapping[str, Any]] = [content]
    while level:
        for values in level:
            for name, value in values.items():
                found.setdefault(str(name), value)
        level = [inner for values in level for inner in _mappings(values.values())]
    return found


def _mappings(values: Any) -> Iterator[Mapping[str, Any]]:
    for value in values:
        if isinstance(value, Mapping):
            yield value
        elif isinstance(value, list | tuple):
            yield from _mappings(value)


_UNKNOWN = object()


def _literal(node: ast.expr, assigned: Mapping[str, Any]) -> Any:
    """The value of an expression, `_UNKNOWN` where it would have to be run; unknown entries of a dictionary are left
    out."""
    if isinstance(node, ast.Name):
        return assigned.get(node.id, _UNKNOWN)
    if isinstance(node, ast.List | ast.Tuple):
        values = [_literal(item, assigned) for item in node.elts]
        return _UNKNOWN if _UNKNOWN in values else values
    if isinstance(node, ast.Dict):
        pairs = [
            (_literal(k, assigned) if k else _UNKNOWN, _literal(v, assigned)) for k, v in zip(node.keys, node.values)
        ]
        return {key: value for key, value in pairs if isinstance(key, str) and value is not _UNKNOWN}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        pairs = [(word.arg, _literal(word.value, assigned)) for word in node.keywords]
        return {key: value for key, value in pairs if key and value is not _UNKNOWN}
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return _UNKNOWN


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file", remedy="download the folder again") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({_line(error)})", remedy="download it again") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
