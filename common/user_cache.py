"""Where files lie that can be made again, for all projects of a user."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """`GESTUREBENCH_CACHE`, else the platform's folder for re-creatable files."""
    if override := os.environ.get("GESTUREBENCH_CACHE"):
        return Path(override)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "gesturebench"
    default = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    return Path(default or Path.home() / ".cache") / "gesturebench"
