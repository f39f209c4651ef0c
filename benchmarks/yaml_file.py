"""Mappings in YAML files, with faults in one line."""

from pathlib import Path
from typing import Any

from gesturebench.common.errors import InputError


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file that is there."""
    import yaml

    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _strict_loader())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not valid YAML ({' '.join(str(error).split())})", remedy="correct the file"
        ) from error
    if not isinstance(values, dict):
        raise InputError(
            f"{path}: holds {'nothing' if values is None else type(values).__name__}",
            expected="a mapping with title, data, protocol and rows",
            remedy="see `gesturebench run --help` for the built-in grids",
        )
    return values


def _strict_loader() -> type:
    """YAML in which a key that stands twice is an error; the standard loader keeps the last in silence."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node, deep=False):
            keys = [key.value for key, _ in node.value]
            for key, _ in node.value:
                if keys.count(key.value) > 1:
                    raise yaml.MarkedYAMLError(problem=f"key {key.value!r} stands twice", problem_mark=key.start_mark)
            return super().construct_mapping(node, deep)

    return Loader
