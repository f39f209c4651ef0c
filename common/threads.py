"""One thread per process: two threads on two shared cores were measured 6 to 130 times slower on small operators."""

import os

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
