"""Mappings in YAML files, with faults in one line."""

from pathlib import Path
from typing import Any

from gesturebench.common.errors import InputError


def read_mapping(path: Path, expected: str, remedy: str) -> dict[str, Any]:
    """The mapping in a YAML file that is there: texts, numbers, truth values, lists and mappings of them. `expected`
    and `remedy` are said of a file that holds something else."""
    import yaml

    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), _strict_loader())
    except RecursionError:
        raise InputError(f"{path}: lists or mappings lie too deep in each other", remedy="correct the file") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, or a number of thousands of digits
        raise InputError(
            f"{path}: not valid YAML ({' '.join(str(error).split())})", remedy="correct the file"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", remedy="correct its permissions") from error
    if not isinstance(values, dict):
        raise InputError(
            f"{path}: holds {'nothing' if values is None else type(values).__name__}",
            expected=expected,
            remedy=remedy,
        )
    return values


def _strict_loader() -> type:
    """YAML in which a key that stands twice is an error (the standard loader keeps the last in silence), as are values
    that lie in themselves and values that JSON does not have; a date is the text that spells it."""
    import yaml

    class Loader(yaml.SafeLoader):
        def __init__(self, stream):
            super().__init__(stream)
            self.deep_construct = True  # so that what lies in itself is noticed

        def construct_mapping(self, node, deep=False):
            keys = [key.value for key, _ in node.value]
            for key, _ in node.value:
                if keys.count(key.value) > 1:
                    raise yaml.MarkedYAMLError(problem=f"key {key.value!r} stands twice", problem_mark=key.start_mark)
            return super().construct_mapping(node, deep)

    Loader.add_constructor("tag:yaml.org,2002:timestamp", yaml.SafeLoader.construct_yaml_str)
    for name in ("binary", "set", "omap", "pairs"):
        Loader.add_constructor(f"tag:yaml.org,2002:{name}", yaml.SafeLoader.construct_undefined)
    return Loader
