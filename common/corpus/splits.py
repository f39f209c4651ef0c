"""The split table `train_test_split.csv`: clip id -> train, val, test or additional."""

import csv
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

from gesturebench.common.errors import InputError, unknown_name

SPLIT_TABLE = "train_test_split.csv"
SPLITS = ("train", "val", "test", "additional")
"""`additional` are conversations, which some methods train on as well."""
_COLUMNS = "header id,type and a row per clip"


def read_splits(path: Path, present: Set[str]) -> dict[str, str]:
    """Clip id -> split in the order of the table; the first row that is wrong is an `InputError`."""
    rows = read_rows(path)
    for fault in faults(path, rows, present):
        raise fault
    return {row["id"]: row["type"] for row in rows}


def read_rows(path: Path) -> list[dict[str, str | None]]:
    if not path.is_file():
        raise InputError(f"{path}: no such file", expected=_COLUMNS, remedy="copy it from the corpus")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: not a csv file ({error})", expected=_COLUMNS, remedy="copy it from the corpus again"
        ) from error


def faults(path: Path, rows: list[dict[str, str | None]], present: Set[str]) -> Iterator[InputError]:
    """What is wrong with the rows, one error each: unknown types, ids listed twice, ids without motion."""
    seen: set[str] = set()
    for line, row in enumerate(rows, start=2):
        clip_id, kind, where = row.get("id"), row.get("type"), f"{path}: line {line}"
        if clip_id is None or kind not in SPLITS:
            yield InputError(
                f"{where}: id {clip_id!r}, type {kind!r}",
                expected=f"header id,type and types {', '.join(SPLITS)}",
                remedy="correct the line",
            )
        elif clip_id in seen:
            yield InputError(
                f"{where}: {clip_id} is listed twice", expected="one row per clip", remedy="delete one of the rows"
            )
        elif clip_id not in present:
            motion = path.parent / "smplxflame_30" / f"{clip_id}.npz"
            yield InputError(f"{where}: no file {motion}", remedy="copy the clip there or delete the row")
        seen.add(clip_id or "")


def chosen_split(splits: Mapping[str, str], name: str, source: object) -> tuple[str, ...]:
    """The ids of one split; unknown and empty ones are refused."""
    if name not in SPLITS:
        raise unknown_name("split", name, SPLITS)
    chosen = tuple(clip_id for clip_id, kind in splits.items() if kind == name)
    if not chosen:
        raise InputError(
            f"{source}: split {name!r} is empty",
            expected="at least one clip",
            remedy=f"mark clips as {name} or choose another",
        )
    return chosen
