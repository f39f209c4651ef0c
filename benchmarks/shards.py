"""Shards: the scores of one finished evaluation as a table of its own, with the whole passport in every row.

The truth of an evaluation are `record.json` and `per_clip.json`: 10 000 of these (100 units each) are read in 2 s, in
0.3 s with the cache of parsed scores, as many Parquet files in 3 to 5 s. A shard is made from the two, and lies beside
them so that any database reads the union of all.
"""

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from gesturebench.benchmarks.state import PER_CLIP, RECORD
from gesturebench.common.files import read_json, sha256_json, writing

SHARD = "scores.parquet"


class Field(NamedTuple):
    """A column of a shard: its SQL type and what it holds; a number differs from row to row, a passport does not."""

    type: str
    meaning: str
    passport: bool = True


FIELDS = {
    "method": Field("VARCHAR", "name of the method"),
    "label": Field("VARCHAR", "label of the row under which it was first made"),
    "seed": Field("BIGINT", "run seed"),
    "query": Field("VARCHAR", "what the run was told about the test clips: `none`, `text`, `annotation`, `oracle`"),
    "metric": Field("VARCHAR", "name of the metric"),
    "version": Field("BIGINT", "version of the metric's code"),
    "column_key": Field("VARCHAR", "which of the metric's numbers", passport=False),
    "value": Field("DOUBLE", "the number, raw (not in a paper's scale)", passport=False),
    "n": Field("BIGINT", "what was averaged; for a unit its weight, null where the weight is `frames`", passport=False),
    "frames": Field("BIGINT", "frames scored, at 30 per second", passport=False),
    "clip": Field("VARCHAR", "clip id; null in the row of the whole evaluation", passport=False),
    "unit": Field("VARCHAR", "clip id, or clip id and number of the window; null for the whole", passport=False),
    "clips": Field("BIGINT", "clips scored in the whole evaluation"),
    "protocol": Field("VARCHAR", "name of the protocol"),
    "protocol_hash": Field("VARCHAR", "hash of the protocol's definition"),
    "bound_hash": Field("VARCHAR", "hash of definition and of what was really scored"),
    "data": Field("VARCHAR", "fingerprint of the corpus"),
    "is_standin": Field("BOOLEAN", "whether the corpus is the stand-in, not BEAT2"),
    "encoder": Field("VARCHAR", "identity of the metric's trained part, null if it has none"),
    "config": Field("JSON", "configuration of the method"),
    "config_hash": Field("VARCHAR", "hash of it"),
    "settings": Field("JSON", "configuration of the metric"),
    "facts": Field("JSON", "what else the metric reported, such as ceilings and counts"),
    "evaluate_key": Field("VARCHAR", "key of the evaluation, the name of its folder"),
    "generate_key": Field("VARCHAR", "key of the motion that was scored"),
    "batch_divisor": Field("BIGINT", "2 if training or generation had to halve its batch, 1 if not"),
    "commit": Field("VARCHAR", "commit of the code that scored"),
    "dirty": Field("BOOLEAN", "whether that code had uncommitted changes"),
    "generate_commit": Field("VARCHAR", "commit of the code that made the motion"),
    "versions": Field("JSON", "versions of Python and of the packages that matter"),
    "device": Field("VARCHAR", "processor or GPU"),
    "threads": Field("BIGINT", "threads of a process"),
    "host": Field("VARCHAR", "machine"),
    "started": Field("TIMESTAMP", "when scoring began, UTC"),
    "duration_s": Field("DOUBLE", "seconds that scoring took"),
}
"""The columns of a shard, in order."""


PerUnit = Mapping[str, Mapping[str, float]]
"""By unit id what the unit contributed to each column, and its `frames`."""


@dataclass(frozen=True)
class Shard:
    """One value per passport column, one list per other column."""

    passport: Mapping[str, Any]
    rows: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(self.rows["value"])

    def select(self) -> tuple[str, dict[str, Any]]:
        """A SELECT that gives the rows, and its parameters."""
        terms = [
            f"${name}::{field.type} AS {name}" if field.passport else f"unnest(${name}::{field.type}[]) AS {name}"
            for name, field in FIELDS.items()
        ]
        values = {**self.passport, **self.rows}
        return f"SELECT {', '.join(terms)}", {name: _plain(values[name], FIELDS[name]) for name in FIELDS}


def _plain(value: Any, field: Field) -> Any:
    return json.dumps(value, sort_keys=True) if field.type == "JSON" and value is not None else value


def write_shard(folder: Path, runs: Path) -> None:
    """Put `scores.parquet` into the folder of an evaluation, from its record and its scores by unit."""
    shard = read_shard(folder, runs)
    with writing(folder / SHARD) as part:
        _copy(shard, part)


def _copy(shard: Shard, path: Path) -> None:
    import duckdb

    query, values = shard.select()
    target = str(path).replace("'", "''")
    try:
        _database().execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)", values)
    except duckdb.IOException as error:  # it has no errno, only the system's words
        number = next((n for n in (errno.ENOSPC, errno.EDQUOT) if os.strerror(n) in str(error)), errno.EIO)
        raise OSError(number, str(error), str(path)) from error


def read_shard(folder: Path, runs: Path) -> Shard:
    """The shard of an evaluation as its record says, whether or not the file was ever written."""
    record = read_json(folder / RECORD)
    generated = _record(runs, "generate", record["inputs"]["motions"]) or {}
    trained = (*_trained_parts(runs, generated), *_trained_parts(runs, record))
    divisor = max(r.get("batch_divisor", 1) for r in (record, generated, *trained))
    return shard_of(record, read_json(folder / PER_CLIP), generated, divisor)


def _record(runs: Path, kind: str, key: str) -> dict[str, Any] | None:
    """Null where a store was merged from evaluations alone."""
    path = runs / kind / key / RECORD
    return read_json(path) if path.is_file() else None


def _trained_parts(runs: Path, record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Records of all that a step's result was trained from, at any depth."""
    for key in record.get("inputs", {}).values():
        if (part := _record(runs, "fit", key)) is not None:
            yield part
            yield from _trained_parts(runs, part)


def shard_of(record: Mapping[str, Any], per_unit: PerUnit, generated: Mapping[str, Any], divisor: int = 1) -> Shard:
    """The table of an evaluation from its record, its scores by unit, the record of the motion ({} if it is gone) and
    the largest divisor of a batch behind it."""
    from gesturebench.evaluators.registry import get_evaluator

    keys = [column.key for column in get_evaluator(record["spec"]["metric"]).columns]
    rows = [*_whole(record, keys), *_units(per_unit, keys)]
    columns = [name for name, field in FIELDS.items() if not field.passport]
    return Shard(_passport(record, generated, keys, divisor), dict(zip(columns, map(list, zip(*rows)))))


def _whole(record: Mapping[str, Any], keys: Sequence[str]) -> Iterator[tuple]:
    numbers = record["metrics"]
    for key in keys:
        yield key, numbers.get(key), numbers.get("n"), record.get("frames"), None, None


def _units(per_unit: PerUnit, keys: Sequence[str]) -> Iterator[tuple]:
    for unit, values in per_unit.items():
        for key in keys:
            if key in values:
                yield key, values[key], values.get(f"{key}_n"), values["frames"], unit.split("/")[0], unit


def _passport(
    record: Mapping[str, Any], generated: Mapping[str, Any], keys: Sequence[str], divisor: int
) -> dict[str, Any]:
    spec, made, commit = record["spec"], generated.get("spec", {}), record.get("commit") or {}
    metric, config, numbers = spec["metric"], made.get("config"), record["metrics"]
    return {name: record.get(name) for name in _AS_RECORDED} | {
        "method": made.get("method"),
        "label": row_label(record, generated),
        "seed": made.get("seed"),
        "query": made.get("query"),
        "metric": metric,
        "version": spec["version"],
        "encoder": record.get("bound", {}).get("encoders", {}).get(metric, numbers.get("encoder")),
        "config": config,
        "config_hash": None if config is None else sha256_json(config)[:12],
        "settings": spec["config"],
        "facts": {name: value for name, value in numbers.items() if name not in keys and name != "n"},
        "evaluate_key": record["key"],
        "generate_key": record["inputs"]["motions"],
        "batch_divisor": divisor,
        "commit": commit.get("commit"),
        "dirty": commit.get("dirty"),
        "generate_commit": (generated.get("commit") or {}).get("commit"),
    }


_AS_RECORDED = (
    "clips", "protocol", "protocol_hash", "bound_hash", "data", "is_standin", "versions", "device", "threads", "host",
    "started", "duration_s",
)  # fmt: skip


def row_label(record: Mapping[str, Any], generated: Mapping[str, Any]) -> str:
    """The label of the row, without the seed that stands behind it and without the metric before it."""
    label = generated.get("label") or record["label"].removeprefix(f"{record['spec']['metric']}: ")
    return label.removesuffix(f" (seed {generated.get('spec', {}).get('seed')})")


@cache
def _database():
    """One connection to a database in memory for all shards of a process: opening it takes longer than a shard."""
    import duckdb

    return duckdb.connect(":memory:", config={"threads": 1})
