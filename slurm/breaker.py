"""The circuit breaker: when many steps fail alike, the rest would too."""

from collections import Counter
from collections.abc import Iterable

from gesturebench.benchmarks.state import RunStore
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json


def tripped(store: RunStore, keys: Iterable[str], limit: int, since: float) -> str | None:
    """The text that `limit` of these steps have failed with since then (seconds since 1970); None if there is none.
    What a person cancelled says nothing about the rest."""
    if limit < 1:
        return None
    texts: Counter[str] = Counter()
    for key in keys:
        path = store.failure_file(key)
        try:
            if path.stat().st_mtime >= since - 1 and (failure := _failure(read_json(path)))["kind"] != "cancelled":
                texts[_text(failure)] += 1
        except (FileNotFoundError, InputError):
            continue
    text, count = texts.most_common(1)[0] if texts else ("", 0)
    return text if count >= limit else None


def _failure(report: dict) -> dict:
    return {"kind": "", "exception": "", "message": ""} | report.get("failure", {})


def _text(failure: dict) -> str:
    return f"{failure['exception']}: {' '.join(str(failure['message']).split())}"
