"""The report of a step that has ended for good, `.failed/<key>.json`: written by whoever learns of the end, read by
`RunStore.failure`."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gesturebench.benchmarks.attempts import Attempts
from gesturebench.benchmarks.failure import Failure
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.step import Step
from gesturebench.common.files import write_json

_TOLD = ("nonce", "outcome", "message", "host", "node", "job", "batch_divisor")
"""What the report says of every attempt."""


def report_failure(step: Step, failure: Failure, store: RunStore, more: Mapping[str, Any]) -> None:
    """Write what the step is, why it failed and what was tried, with `more` about the end."""
    history = [asdict(attempt) for attempt in Attempts(store.runs).of(step.key)]
    report = {
        "kind": step.kind,
        "label": step.label,
        "spec": dict(step.spec),
        "failure": asdict(failure),
        "attempts": [{name: attempt[name] for name in _TOLD} for attempt in history],
    }
    write_json(store.failure_file(step.key), report | dict(more))
