"""One of the processes that train together: `python -m gesturebench.benchmarks.rank FOLDER`, started by a launcher."""

import contextlib
import json
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path

from gesturebench.benchmarks.job import Job
from gesturebench.benchmarks.owner import Process, this_host
from gesturebench.benchmarks.ranks import POLL_S, Ended, Task
from gesturebench.common.files import writing
from gesturebench.common.progress import Progress, Stopped, asked_to_stop


def main() -> None:
    """Fit, and leave word of how it ended; exit code 1 makes the launcher end the others."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGTERM})  # both ask to stop, between two steps
    folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
    task: Task = pickle.loads((folder / "task").read_bytes())
    me = Process.of(os.getpid())
    (folder / f"{rank}.here").write_text(json.dumps([this_host(), me.pid, me.started]))
    if task.host == this_host():
        threading.Thread(target=_leave_with, args=(task.worker,), daemon=True).start()
    end = _fitted(_own(task.job, rank, folder), _Reporter(folder, is_first=rank == 0))
    with writing(folder / f"{rank}.ended") as part:
        part.write_bytes(pickle.dumps(end))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(end.outcome == "failed")  # a communicator whose peers are gone may wait for them when it is taken down


def _own(job: Job, rank: int, folder: Path) -> Job:
    """The first rank fills the step's folder; what the others make is the same and is thrown away."""
    out = job.out if rank == 0 else folder / f"out.{rank}"
    out.mkdir(parents=True, exist_ok=True)
    return replace(job, out=out)


def _fitted(job: Job, progress: Progress) -> Ended:
    from gesturebench.benchmarks.steps import fit_alone
    from gesturebench.common.threads import limit_threads

    limit_threads()
    try:
        fit_alone(job, progress)
    except Stopped:
        return Ended("stopped", time.time())
    except Exception as error:
        traceback.print_exc()
        return Ended("failed", time.time(), _portable(error), traceback.format_exc())
    return Ended("done", time.time())


def _portable(error: Exception) -> Exception:
    """The error as the worker can read it: not every exception survives the way through a file."""
    with contextlib.suppress(Exception):
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    return RuntimeError(f"{type(error).__name__}: {error}")


class _Reporter:
    """Progress into a file, now and then, by the first rank; raises `Stopped` when this process or the worker was asked
    to."""

    def __init__(self, folder: Path, is_first: bool):
        self.folder, self.is_first, self.last = folder, is_first, 0.0

    def __call__(self, done: int, total: int) -> None:
        if self.is_first and time.monotonic() - self.last >= POLL_S:
            self.last = time.monotonic()
            self._write(done, total)
            if (self.folder / "stop").exists():
                raise Stopped
        if asked_to_stop():
            raise Stopped

    def _write(self, done: int, total: int) -> None:
        part = self.folder / "progress.part"
        part.write_text(json.dumps([done, total]))
        os.replace(part, self.folder / "progress")


def _leave_with(worker: Process) -> None:
    """A killed worker cannot end its ranks; they look for it."""
    while worker.is_alive():
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    main()
