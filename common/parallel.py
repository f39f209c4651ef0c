"""Work spread over processes that start fresh, never hear Ctrl-C, and never outlive the one that wants the results."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from gesturebench.common.errors import InputError
from gesturebench.common.progress import blocked
from gesturebench.common.threads import announce_threads, limit_threads

Shared, Item, Result = TypeVar("Shared"), TypeVar("Item"), TypeVar("Result")


def over_processes(
    function: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item], workers: int
) -> Iterator[Result]:
    """`function(shared, item)` for every item, in order, on up to `workers` processes; in this one if that is 1.

    `function` is a name of a module; `shared` is sent to each process once and must be small: a process that is killed
    before it has read a large message would leave its parent writing for ever. The first exception in the order of the
    items is raised when its turn comes; what other processes have begun is finished first.
    """
    if workers <= 1 or len(items) <= 1:
        yield from (function(shared, item) for item in items)
        return
    announce_threads()
    context = multiprocessing.get_context("spawn")
    start = (function, shared, os.getpid())
    with ProcessPoolExecutor(min(workers, len(items)), context, _start, start) as pool:
        try:
            with blocked(signal.SIGINT):  # Ctrl-C reaches the whole terminal group: their parent decides
                results = pool.map(_call, items)
            yield from results
        except BrokenProcessPool as error:
            raise InputError(
                "a worker process was killed",
                remedy="run the command again (with fewer workers if memory is short)",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


_task: tuple[Callable[[Any, Any], Any], Any] | None = None


def _start(function: Callable[[Any, Any], Any], shared: Any, parent: int) -> None:
    global _task
    _task = function, shared
    limit_threads()
    end_with(parent)


def end_with(parent: int) -> None:
    """Let this process end when its parent does: a killed one cannot stop its workers, so they watch it."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.25)
    os._exit(1)


def _call(item: Any) -> Any:
    assert _task is not None
    function, shared = _task
    return function(shared, item)
