"""Long-lived spawned worker processes, one pipe each: a killed one leaves no lock behind and takes only its own job
along."""

import contextlib
import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from gesturebench.benchmarks.job import Job
from gesturebench.benchmarks.worker import Execute, serve
from gesturebench.common.progress import blocked
from gesturebench.common.threads import announce_threads


class Worker:
    """A process and our end of its pipe. Not daemonic: the corpus generator starts processes of its own. USR2 is
    blocked from its birth: it asks to stop, and is looked for where stopping is possible."""

    def __init__(self, execute: Execute | None):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        patient = signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self.process: BaseProcess = context.Process(
            target=serve, args=(theirs, os.getpid(), execute, patient), name="gesturebench-worker"
        )
        with blocked(signal.SIGUSR2, signal.SIGINT, signal.SIGTERM):  # half a start would leave a confused child
            self.process.start()
        theirs.close()
        self.job: Job | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    def give(self, job: Job) -> None:
        self.job = job
        with contextlib.suppress(BrokenPipeError):  # it just died; its sentinel says so
            self.connection.send(job)

    def messages(self) -> list[tuple]:
        """What it has said since the last call; nothing more comes from one whose pipe is at its end."""
        found = []
        with contextlib.suppress(EOFError, OSError):
            while self.connection.poll():
                found.append(self.connection.recv())
        return found

    def is_alive(self) -> bool:
        return self.process.is_alive()

    def ask_to_stop(self) -> None:
        """It will save what it can go on from, and say that it has stopped."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR2)

    def dismiss(self) -> None:
        """Let it go: an idle one at its own pace, one at work at once."""
        if self.job is not None:
            self.process.terminate()
            return
        with contextlib.suppress(OSError):
            self.connection.send(None)

    def end(self, patience_s: float = 3.0) -> None:
        """Wait for it to go, and kill it if it does not."""
        self.process.join(patience_s)
        self.process.kill()
        self.process.join()
        self.connection.close()


class Pool:
    """Up to `size` workers, started when there is work for them."""

    def __init__(self, size: int, execute: Execute | None = None):
        announce_threads()
        self.size, self.execute, self.workers = size, execute, []

    def idle(self) -> Worker | None:
        """A worker without a job, started if there is room; None if all are busy."""
        for worker in self.workers:
            if worker.job is None and worker.is_alive():
                return worker
        if len(self.workers) < self.size:
            self.workers.append(Worker(self.execute))
            return self.workers[-1]
        return None

    def wait(self, timeout_s: float) -> list[Worker]:
        """The workers that said something or died within the time."""
        sources: dict[Connection | int, Worker] = {}
        for worker in self.workers:
            sources |= {worker.connection: worker, worker.process.sentinel: worker}
        if not sources:
            time.sleep(timeout_s)  # everything left is in another runner's hands
            return []
        ready = wait(list(sources), timeout_s)
        return list(dict.fromkeys(sources[source] for source in ready))

    def remove(self, worker: Worker) -> None:
        """Forget a worker that is dead, or must be now; nothing if it was forgotten before."""
        if worker in self.workers:
            self.workers.remove(worker)
            worker.end(patience_s=0)

    def close(self) -> None:
        for worker in self.workers:
            worker.dismiss()
        for worker in self.workers:
            worker.end()
        self.workers.clear()
