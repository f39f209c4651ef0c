"""`python -m tests.parity DIR [--only SUB_FOLDER] [--json]`: how far our code is from every golden file of a folder."""

import argparse
import json
import math
import sys
import traceback
from pathlib import Path

from gesturebench.common.threads import announce_threads
from tests.parity.frame import Check, checks, default_folder, load_cases, places

SUB_FOLDERS = ("evaluators", "rag_gesture", "mambatalk", "remodiffuse", "exges")
NOT_COMPARED = {"max_abs": 1.0, "max_rel": 1.0, "checked": 0}
"""A file nobody compares counts as wholly different."""


def main() -> int:
    arguments = _arguments()
    announce_threads()
    found = places(arguments.folder, arguments.only)
    if not found:
        print(f"error: no golden files below {arguments.folder}/{arguments.only or '*'}", file=sys.stderr)
        return 2
    results = {place: _result(arguments.folder, place) for place in found}
    if arguments.json:
        print(json.dumps({place: summary(result) for place, result in results.items()}, indent=1))
    else:
        for place, result in results.items():
            print(_line(place, result))
    return 0 if all(result and all(check.holds for check in result) for result in results.values()) else 1


def _result(folder: Path, place: str) -> list[Check] | None:
    """The checks of a file; one that has no case, or whose case breaks off, is not compared."""
    if place not in load_cases():
        return None
    try:
        return checks(folder, place)
    except Exception:
        print(f"{place}:\n{traceback.format_exc()}", file=sys.stderr)
        return None


def summary(result: list[Check] | None) -> dict[str, float | int]:
    """Largest differences over a file's outputs; an infinite one (another shape, a NaN) is written as 1e308."""
    if not result:
        return NOT_COMPARED
    worst = {key: max(getattr(check, key) for check in result) for key in ("max_abs", "max_rel")}
    return {key: value if math.isfinite(value) else 1e308 for key, value in worst.items()} | {"checked": len(result)}


def _line(place: str, result: list[Check] | None) -> str:
    if not result:
        return f"{place:42} not compared"
    worst = max(result, key=lambda check: check.max_rel / max(check.tolerance, 1e-300))
    state = "ok" if all(check.holds for check in result) else "DIFFERS"
    return (
        f"{place:42} {state:8} {len(result):4} arrays   max rel {max(c.max_rel for c in result):.1e}   "
        f"closest to its tolerance: {worst.name} {worst.max_rel:.1e} of {worst.tolerance:.0e}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=default_folder(), metavar="DIR")
    parser.add_argument("--only", choices=SUB_FOLDERS, help="one sub-folder")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
