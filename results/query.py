"""SQL over every score of a run store: the view `scores` is the union of all shards, in memory and never written to.

Evaluations without a shard are read from their record; stores are merged by copying their folders together.
"""

import contextlib
import glob
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from gesturebench.benchmarks.shards import FIELDS, SHARD, read_shard
from gesturebench.benchmarks.state import RECORD, names_in
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.files import writing

EVERYTHING = "SELECT * FROM scores ORDER BY metric, column_key, label, seed, evaluate_key, unit NULLS FIRST"

WRITERS = {
    "parquet": "(FORMAT parquet, COMPRESSION zstd)",
    "csv": "(FORMAT csv, HEADER)",
    "jsonl": "(FORMAT json)",
}
"""How a database writes an answer, by the ending of the file."""


_OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
"""Nothing is fetched from the network because a query names an address or a foreign format."""


@dataclass(frozen=True)
class Named:
    """An evaluation under the label that a grid gives it."""

    key: str
    label: str


@dataclass(frozen=True)
class Answer:
    """Rows of a query with the names and SQL types of their columns."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple]


@dataclass(eq=False)
class Scores:
    """An open view of the scores of a store; `left_out` are evaluations that could not be read, with the reason."""

    database: Any
    left_out: list[str] = field(default_factory=list)

    def ask(self, query: str) -> Answer:
        """The answer to one SELECT."""
        self._check(query)
        with explained(query):
            cursor = self.database.execute(query)
            columns, types = zip(*((name, str(kind)) for name, kind, *_ in cursor.description))
            return Answer(columns, types, cursor.fetchall())

    def write(self, query: str, path: Path, format: str) -> int:
        """Write the answer to one SELECT as `parquet`, `csv` or `jsonl`; returns the number of rows."""
        self._check(query)
        with writing(path) as part, explained(query, offset=len("COPY (")):
            copy = f"COPY ({query.rstrip().rstrip(';')}\n) TO {_text(str(part))} {WRITERS[format]}"
            return self.database.execute(copy).fetchall()[0][0]

    def _check(self, query: str) -> None:
        with explained(query):
            kinds = [statement.type.name for statement in self.database.extract_statements(query)]
        if kinds != ["SELECT"]:
            raise InputError(
                f"{query.strip()!r} is {', '.join(kinds) or 'no statement'}",
                expected="one SELECT: scores are only read",
                remedy='try "SELECT method, avg(value) FROM scores GROUP BY 1"',
            )


@contextlib.contextmanager
def explained(query: str, offset: int = 0) -> Iterator[None]:
    """Turn a database's error into an `InputError` of one line; the query stands `offset` characters into what the
    database was given."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise _fault(query, error, offset) from error


def open_scores(runs: Path, only: Sequence[Named] | None = None) -> Scores:
    """The scores of every finished evaluation, or of those that are named, under the labels that come with them."""
    import duckdb

    keys = sorted(names_in(runs / "evaluate") if only is None else {named.key for named in only})
    shards, others = _sorted_out(runs, keys)
    if not shards and not others:
        raise InputError(f"{runs}: no finished evaluation", remedy="run `gesturebench run demo` first, or pass --runs")
    scores = Scores(duckdb.connect(":memory:", config=_OFFLINE))
    scores.database.execute("SET errors_as_json = true")
    _make_table(scores, runs, others)
    union = "SELECT * FROM made"
    if shards:
        union += f" UNION ALL BY NAME SELECT * FROM read_parquet({_patterns(shards, runs, keys)}, union_by_name = true)"
    with explained(union):  # every shard is opened here for the first time
        scores.database.execute(f"CREATE VIEW scores AS {_labelled(scores, union, only)}")
    return scores


def _sorted_out(runs: Path, keys: Iterable[str]) -> tuple[list[Path], list[Path]]:
    """Shards, and folders of finished evaluations that have none."""
    shards, others = [], []
    for key in keys:
        folder = runs / "evaluate" / key
        if os.path.isfile(folder / SHARD):
            shards.append(folder / SHARD)
        elif os.path.isfile(folder / RECORD):
            others.append(folder)
    return shards, others


def _patterns(shards: Sequence[Path], runs: Path, keys: Sequence[str]) -> str:
    """A list of files; one pattern where it means the same, for statements of a megabyte are slow."""
    if len(shards) == len(keys) == len(names_in(runs / "evaluate")):
        return _text(glob.escape(f"{runs}/evaluate") + f"/*/{SHARD}")
    return "[" + ", ".join(_text(glob.escape(str(path))) for path in shards) + "]"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _make_table(scores: Scores, runs: Path, folders: Iterable[Path]) -> None:
    """The rows that shards would hold if they had been written."""
    columns = ", ".join(f"{name} {field.type}" for name, field in FIELDS.items())
    scores.database.execute(f"CREATE TABLE made ({columns})")
    for folder in folders:
        try:
            query, values = read_shard(folder, runs).select()
        except InputError as error:
            scores.left_out.append(f"{folder.name}: {error}")
        except (KeyError, TypeError, AttributeError) as error:
            scores.left_out.append(f"{folder.name}: not a whole run record ({type(error).__name__}: {error})")
        else:
            scores.database.execute(f"INSERT INTO made {query}", values)


def _labelled(scores: Scores, union: str, only: Sequence[Named] | None) -> str:
    """The rows of what is named, under these labels."""
    if only is None:
        return union
    names = [named.key for named in only], [named.label for named in only]
    columns = "unnest(?::VARCHAR[]) AS key, unnest(?::VARCHAR[]) AS label"
    scores.database.execute(f"CREATE TABLE named AS SELECT {columns}", names)
    return f"SELECT e.* REPLACE (n.label AS label) FROM ({union}) e JOIN named n ON e.evaluate_key = n.key"


def _fault(query: str, error: Exception, offset: int) -> InputError:
    """What a database says of a query: where, and which columns there are."""
    found = _parsed(error)
    lines = takewhile(
        lambda line: not line.strip().startswith(("Candidate", "Did you mean")), found["message"].splitlines()
    )
    message = " ".join(" ".join(lines).split())
    if "'pytz'" in message:  # the database's way to a time with a zone
        return InputError(
            "SQL: an answer with a time zone", expected="times without one", remedy="cast them: now()::TIMESTAMP"
        )
    if (path := next((word.strip("'\",.:") for word in message.split() if SHARD in word), None)) is not None:
        return InputError(
            f"{path}: no readable shard ({message})",
            remedy="delete this file: its rows are then made from the record beside it",
        )
    start = int(found["position"]) - offset if "position" in found else None
    where = "" if start is None else f" at position {start + 1}"
    if found.get("error_subtype") == "COLUMN_NOT_FOUND":
        return unknown_name(f"column{where}", found["name"], FIELDS)
    where += "" if start is None else f" ({query[start : start + 16].strip()!r})"
    near = found.get("candidates", "") if found.get("error_subtype") == "MISSING_ENTRY" else ""
    return InputError(
        f"SQL{where}: {message}",
        expected=f"a query of scores({', '.join(FIELDS)})",
        remedy=f"did you mean {near}?" if near else None,
    )


def _parsed(error: Exception) -> dict[str, Any]:
    """The parts of an error, which stand as JSON behind its kind; plain words are the message alone."""
    _, brace, rest = str(error).partition("{")
    try:
        found = json.loads(brace + rest)
    except json.JSONDecodeError:
        return {"message": str(error)}
    return {**found, "message": found["exception_message"]}
