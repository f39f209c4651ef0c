"""A real Slurm on this machine, for the whole session: four nodes, accounting, partitions that preempt."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import cluster_jobs  # noqa: E402

from gesturebench.benchmarks.state import RunStore, StepState  # noqa: E402
from gesturebench.benchmarks.step import Step, closure  # noqa: E402
from gesturebench.following import follow  # noqa: E402
from gesturebench.slurm.launch import Launch, launch  # noqa: E402
from gesturebench.slurm.profile import Profile  # noqa: E402
from gesturebench.slurm.states import overlay  # noqa: E402

DAEMONS = ("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd")


@dataclass(frozen=True)
class Cluster:
    """The running cluster; everything it owns lies in `folder`."""

    folder: Path

    def start(self) -> None:
        """Start what does not run; the queue is kept."""
        subprocess.run([HERE / "start-slurm", self.folder], check=True, capture_output=True, timeout=180)

    def kill(self, daemon: str) -> None:
        os.kill(int((self.folder / "run" / f"{daemon}.pid").read_text()), signal.SIGKILL)

    def call(self, *words: str) -> str:
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout

    def clear(self) -> None:
        """End whatever a test left in the queue."""
        self.call("scancel", f"--user={os.getuid()}")
        self.call("scancel", "--full", "--signal=KILL", f"--user={os.getuid()}")


def _missing() -> list[str]:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return [daemon for daemon in DAEMONS if shutil.which(daemon, path=path) is None]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    missing = _missing()
    if missing and (os.geteuid() != 0 or shutil.which("apt-get") is None):
        pytest.skip(f"no {', '.join(missing)} here, and only root could install them with apt-get")
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # sockets lie in it: its path must be short
    started = subprocess.run([HERE / "start-slurm", folder], capture_output=True, text=True, timeout=400)
    if started.returncode and _missing():
        pytest.skip(f"Slurm could not be installed: {started.stderr.strip().splitlines()[-1]}")
    assert started.returncode == 0, started.stderr
    os.environ["SLURM_CONF"] = str(folder / "etc" / "slurm.conf")
    try:
        yield Cluster(folder)
    finally:
        subprocess.run([HERE / "stop-slurm", "--remove", folder], check=True, capture_output=True, timeout=180)
        del os.environ["SLURM_CONF"]


@dataclass
class Study:
    """Toy steps in a run store of their own, and what the launcher does with them."""

    cluster: Cluster
    store: RunStore
    steps: tuple[Step, ...]
    profile: Profile

    def launch(self, **options) -> Launch:
        options = {"tell": _silent, "execute": cluster_jobs.EXECUTE} | options
        return launch(self.steps, self.store, self.profile, "toy", **options)

    def follow(self) -> int:
        """Stay until nothing is left to do, submitting again what the policy says."""
        return follow(self.steps, self.store, self.profile, "toy", _silent, cluster_jobs.EXECUTE, last_s=1.0)

    def states(self) -> dict[str, StepState]:
        """By label."""
        states = overlay(self.store.states(self.steps), self.steps, self.store)
        return {step.label: states[step.key] for step in self.steps}

    def statuses(self) -> dict[str, str]:
        return {label: state.status for label, state in self.states().items()}

    def wait_for(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """Wait for something that happens before any step fails."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"it did not happen: {self.states()}"
            assert not any(self.store.failure_file(step.key).exists() for step in self.steps), self.states()
            time.sleep(0.2)

    def __getitem__(self, label: str) -> Step:
        return next(step for step in self.steps if step.label == label)


def _silent(line: str) -> None:
    pass


@pytest.fixture
def study(cluster, tmp_path) -> Iterator[Callable[..., Study]]:
    """Make a study of some steps; further settings are the profile's."""
    made = []

    def make(*steps: Step, **settings) -> Study:
        settings = {"defaults": {"mem_gb": 0.4, "time_min": 10}, "signal_delay_s": 20, "lost_after_s": 15} | settings
        profile = Profile.parse(settings | {"environment": {"PYTHONPATH": str(HERE)}})
        made.append(Study(cluster, RunStore(tmp_path / "runs"), closure(steps), profile))
        return made[-1]

    yield make
    if any(found.store.runs.is_dir() for found in made):
        cluster.clear()
