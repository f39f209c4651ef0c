"""Side-by-side timing: a fast and a slow way to the same result, measured alternately in one run."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from gesturebench.common.threads import announce_threads

announce_threads()


@pytest.fixture
def versus(benchmark) -> Callable[..., float]:
    """`versus(fast, slow, rounds=5) -> ratio`: how many times longer `slow()` takes than `fast()`, medians of rounds
    in alternation.

    `fast` is also what pytest-benchmark reports; the ratio and both medians in milliseconds go to its `extra_info`.
    """

    def measure(fast: Callable[[], Any], slow: Callable[[], Any], rounds: int = 5) -> float:
        fast(), slow()  # neither pays for imports and first touches of memory
        times = [(_seconds(fast), _seconds(slow)) for _ in range(rounds)]
        fast_s, slow_s = (statistics.median(side) for side in zip(*times))
        benchmark.extra_info |= {"ratio": slow_s / fast_s, "fast_ms": 1e3 * fast_s, "slow_ms": 1e3 * slow_s}
        benchmark.pedantic(fast, rounds=rounds)
        return slow_s / fast_s

    return measure


def _seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def pytest_terminal_summary(terminalreporter, config) -> None:
    """The ratios, one line each: pytest-benchmark's own table has no room for them."""
    session = getattr(config, "_benchmarksession", None)
    rows = [(b["name"], b["extra_info"]) for b in map(_plain, session.benchmarks)] if session else []
    for name, extra in rows:
        line = "  ".join(
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in extra.items()
        )
        terminalreporter.write_line(f"{name}: {line}")


def _plain(benchmark: Any) -> dict[str, Any]:
    return {"name": benchmark.name, "extra_info": benchmark.extra_info}
