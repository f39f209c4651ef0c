"""The code that is running, as one hash: jobs start hours after they were submitted, and import what is there then."""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("benchmarks", "common", "evaluators", "methods")


@cache
def code_hash() -> str:
    """sha256 over names and contents of every module that steps are made of, 16 hexadecimal digits of it."""
    found = hashlib.sha256()
    for package in _PACKAGES:
        for folder in find_spec(f"gesturebench.{package}").submodule_search_locations:
            for path in sorted(Path(folder).rglob("*.py")):
                found.update(f"{package}/{path.relative_to(folder)}\n".encode())
                found.update(path.read_bytes())
    return found.hexdigest()[:16]
