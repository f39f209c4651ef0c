"""Checking run stores: whether shards say what the records say, and whether equal keys have equal numbers."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from gesturebench.benchmarks.shards import SHARD, Shard, read_shard
from gesturebench.benchmarks.state import RECORD, names_in
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json
from gesturebench.common.progress import Progress, silent
from gesturebench.results.query import explained

Numbers = dict[tuple[str, str | None], float]
"""By column and unit, None for the whole."""


def check_stores(stores: Sequence[Path], progress: Progress = silent) -> Iterator[str]:
    """One sentence per fault of any store, and per evaluation whose numbers differ between two of them."""
    keys = [sorted(names_in(runs / "evaluate")) for runs in stores]
    done, total = 0, sum(map(len, keys))
    seen: dict[str, tuple[Path, Shard]] = {}
    for runs, names in zip(stores, keys):
        for name in names:
            folder = runs / "evaluate" / name
            try:
                shard = _whole(folder, runs)
            except InputError as error:
                yield str(error)
            else:
                yield from _faults(folder, shard)
                first, other = seen.setdefault(name, (folder, shard)) if len(stores) > 1 else (folder, shard)
                yield from _difference(first, other, folder, shard)
            progress(done := done + 1, total)


def _whole(folder: Path, runs: Path) -> Shard:
    try:
        return read_shard(folder, runs)
    except InputError as error:  # of the evaluation, or of what it was made from
        raise InputError(error.what, remedy="delete the folder in which it lies and run again") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder}: not a whole evaluation ({type(error).__name__}: {error})",
            remedy=f"delete {folder} and run again",
        ) from error


def _faults(folder: Path, shard: Shard) -> Iterator[str]:
    key = read_json(folder / RECORD)["key"]
    if key != folder.name:
        yield f"{folder}: holds evaluation {key}, whose scores are counted again; delete or rename the folder"
    if (folder / SHARD).is_file():
        try:
            yield from _compare(f"{folder / SHARD} and {RECORD}", "delete the shard", _read(folder / SHARD), shard)
        except InputError as error:
            yield str(error)


def _read(path: Path) -> Numbers:
    import duckdb

    with explained(""):
        rows = duckdb.execute("SELECT column_key, unit, value FROM read_parquet(?)", [str(path)]).fetchall()
    return {(column, unit): value for column, unit, value in rows}


def _difference(first: Path, other: Shard, folder: Path, shard: Shard) -> Iterator[str]:
    if first != folder:
        yield from _compare(f"{first} and {folder}", "one of the two was made by other code", numbers(other), shard)


def numbers(shard: Shard) -> Numbers:
    """The values of a shard by column and unit."""
    return dict(zip(zip(shard.rows["column_key"], shard.rows["unit"]), shard.rows["value"]))


def _compare(who: str, remedy: str, found: Numbers, shard: Shard) -> Iterator[str]:
    """The first number that differs, the whole before units."""
    expected = numbers(shard)
    unequal = [place for place in {**expected, **found} if not _equal(found.get(place), expected.get(place))]
    if unequal:
        column, unit = unequal[0]
        place, more = f"{column} of {unit or 'all units'}", f" and {len(unequal) - 1} more" if len(unequal) > 1 else ""
        values = f"{found.get((column, unit))} and {expected.get((column, unit))}"
        label = f"{shard.passport['metric']}: {shard.passport['label']}"
        yield f"{who} differ ({label}): {place} is {values}{more}; {remedy}"


def _equal(a: float | None, b: float | None) -> bool:
    return a == b or (a is not None and b is not None and math.isnan(a) and math.isnan(b))
