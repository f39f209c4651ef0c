"""One thread per process: two threads on two shared cores were measured 6 to 130 times slower on small operators."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")
_POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def announce_threads(count: int | None = None) -> int:
    """Set the environment of this process and its children; call before numpy or torch is imported.

    `GESTUREBENCH_THREADS` overrides the default of 1.
    """
    count = count or int(os.environ.get("GESTUREBENCH_THREADS", "1"))
    for pool in _POOLS:
        os.environ.setdefault(pool, str(count))
    return count


def limit_threads() -> int:
    """Limit torch and the BLAS that are already loaded; the first call of every worker process."""
    import torch
    from threadpoolctl import threadpool_limits

    count = announce_threads()
    torch.set_num_threads(count)
    threadpool_limits(count)
    return count


def spread(tasks: Sequence[Callable[[], T]], device: str = "cpu") -> list[T]:
    """Results of tasks that do not depend on each other, run on equal shares of torch's threads.

    Threads that share every operator wait for each other hundreds of times per second; with a task each they do once.
    With one thread, or where the work is done by another `device`, the tasks run one after another.
    """
    import torch

    threads = torch.get_num_threads()
    workers = min(threads, len(tasks))
    if workers < 2 or device != "cpu":
        return [task() for task in tasks]
    try:
        return list(_pool(os.getpid(), workers, threads // workers).map(lambda task: task(), tasks))
    finally:
        torch.set_num_threads(threads)  # what threads that are started from now on begin with


@cache
def _pool(process: int, workers: int, share: int) -> ThreadPoolExecutor:
    """Threads that stay; a forked process has none of them and starts its own."""
    return ThreadPoolExecutor(workers, "spread", initializer=_take, initargs=(share,))


def _take(share: int) -> None:
    """A thread that is new to torch takes over the process' number when it is first asked: ask, then set."""
    import torch

    torch.get_num_threads()
    torch.set_num_threads(share)
