"""A real Slurm on this machine, for the whole session: four nodes, accounting, partitions that preempt."""

import contextlib
import fcntl
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

from gesturebench.benchmarks.attempts import Attempt, Attempts  # noqa: E402
from gesturebench.benchmarks.job import Job  # noqa: E402
from gesturebench.benchmarks.state import RunStore, StepState  # noqa: E402
from gesturebench.benchmarks.step import Step, closure  # noqa: E402
from gesturebench.common.files import read_json  # noqa: E402
from gesturebench.common.progress import silent  # noqa: E402
from gesturebench.following import follow  # noqa: E402
from gesturebench.slurm.launch import Launch, launch  # noqa: E402
from gesturebench.slurm.profile import Profile  # noqa: E402
from gesturebench.slurm.states import overlay  # noqa: E402
from gesturebench.slurm.submission import submissions  # noqa: E402
from gesturebench.slurm.survey import last_posts  # noqa: E402

DAEMONS = ("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd")


@dataclass(frozen=True)
class Cluster:
    """The running cluster; everything it owns lies in `folder`."""

    folder: Path

    def start(self) -> None:
        """Start what does not run, bring back lost nodes; the queue is kept."""
        subprocess.run([HERE / "start-slurm", self.folder], check=True, capture_output=True, timeout=180)

    def kill(self, daemon: str) -> None:
        os.kill(int((self.folder / "run" / f"{daemon}.pid").read_text()), signal.SIGKILL)

    def lose(self, node: str, job: str) -> None:
        """Let a node vanish, with all processes of the one job that runs there."""
        self.kill(f"slurmd-{node}")
        self.kill_processes(job, managers=True)

    def kill_processes(self, job: str, managers: bool = False) -> None:
        """Kill what a job has started, without a word to Slurm, with or without the daemons that look after it."""
        raw = self.call("squeue", "--noheader", "--format=%A", f"--job={job}").strip()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command, variables = ((process / name).read_bytes().split(b"\0") for name in ("cmdline", "environ"))
                where = os.readlink(process / "cwd")
                is_manager = command[0].startswith(f"slurmstepd: [{raw}.".encode()) and str(self.folder) in where
                is_ours = f"SLURM_CONF={self.folder}/etc/slurm.conf".encode() in variables
                if (is_manager and managers) or (is_ours and f"SLURM_JOB_ID={raw}".encode() in variables):
                    os.kill(int(process.name), signal.SIGKILL)

    @contextlib.contextmanager
    def configured(self, old: str, new: str) -> Iterator[None]:
        """With other text in slurm.conf, until the block ends."""
        path = self.folder / "etc" / "slurm.conf"
        before = path.read_text()
        assert old in before
        try:
            path.write_text(before.replace(old, new))
            self.call("scontrol", "reconfigure")
            yield
        finally:
            path.write_text(before)
            self.call("scontrol", "reconfigure")

    def call(self, *words: str) -> str:
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout

    def state(self, job: str) -> str:
        """As the queue has it."""
        return self.call("squeue", "--noheader", "--states=all", "--format=%T", f"--job={job}").strip()

    def clear(self) -> None:
        """End whatever a test left in the queue."""
        self.call("scancel", f"--user={os.getuid()}")
        self.call("scancel", "--full", "--signal=KILL", f"--user={os.getuid()}")


def _missing() -> list[str]:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return [daemon for daemon in DAEMONS if shutil.which(daemon, path=path) is None]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as found:
        yield found


@contextlib.contextmanager
def running_cluster(*options: str) -> Iterator[Cluster]:
    """A cluster of our own and its configuration in the environment; skips where Slurm neither is nor can be."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # sockets lie in it: its path must be short
    before = os.environ.get("SLURM_CONF")
    try:
        _start(folder, options)
        os.environ["SLURM_CONF"] = str(folder / "etc" / "slurm.conf")
        yield Cluster(folder)
    finally:
        subprocess.run([HERE / "stop-slurm", "--remove", folder], capture_output=True, timeout=180)
        os.environ.pop("SLURM_CONF", None)
        os.environ |= {"SLURM_CONF": before} if before is not None else {}


def _start(folder: Path, options: tuple[str, ...]) -> None:
    """One process at a time installs, and nobody starts what is half installed."""
    if os.environ.get("GESTUREBENCH_TEST_SLURM") != "1":
        pytest.skip("a real Slurm is started only where GESTUREBENCH_TEST_SLURM=1")
    with open(Path(tempfile.gettempdir()) / f"slurm-installation-{os.getuid()}", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = _missing()
        if not missing:
            fcntl.flock(lock, fcntl.LOCK_UN)
        elif os.geteuid() != 0 or shutil.which("apt-get") is None:
            pytest.skip(f"no {', '.join(missing)} here, and only root could install them with apt-get")
        started = subprocess.run([HERE / "start-slurm", *options, folder], capture_output=True, text=True, timeout=400)
    if started.returncode and _missing():
        pytest.skip(f"Slurm could not be installed: {started.stderr.strip().splitlines()[-1]}")
    assert started.returncode == 0, started.stderr


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
        code = follow(self.steps, self.store, self.profile, "toy", _silent, cluster_jobs.EXECUTE, last_s=0.7)
        end = time.monotonic() + 10  # a result is there a moment before its attempt says so
        while self._open_attempts() and time.monotonic() < end:
            time.sleep(0.1)
        return code

    def _open_attempts(self) -> list[Attempt]:
        return [one for step in self.steps for one in self.attempts(step.label) if one.outcome is None]

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

    def report(self, label: str, seconds: float = 30) -> dict:
        """The report on a failed step, once its job has completed it."""
        end = time.monotonic() + seconds
        while "retry" not in (found := read_json(self.store.failure_file(self[label].key))):
            assert time.monotonic() < end, f"the report was not completed: {found}"
            time.sleep(0.2)
        return found

    def outcomes(self, label: str) -> list[str | None]:
        """How the attempts at a step ended."""
        return [attempt.outcome for attempt in self.attempts(label)]

    def attempts(self, label: str) -> list[Attempt]:
        return Attempts(self.store.runs).of(self[label].key)

    def job(self, label: str) -> str:
        """The id of the job that a step was last given to."""
        return last_posts(submissions(self.store.runs), [self[label].key])[self[label].key].job_id

    def __getitem__(self, label: str) -> Step:
        return next(step for step in self.steps if step.label == label)


def _silent(line: str) -> None:
    pass


@pytest.fixture
def study(cluster, tmp_path) -> Iterator[Callable[..., Study]]:
    """Make a study of some steps; further settings are the profile's."""
    with studying(cluster, tmp_path) as make:
        yield make


@contextlib.contextmanager
def studying(cluster: Cluster, folder: Path) -> Iterator[Callable[..., Study]]:
    made = []

    def make(*steps: Step, **settings) -> Study:
        settings = {"defaults": {"mem_gb": 0.4, "time_min": 10}, "signal_delay_s": 20, "lost_after_s": 15} | settings
        profile = Profile.parse(settings | {"environment": {"PYTHONPATH": str(HERE)}})
        made.append(Study(cluster, RunStore(folder / "runs"), closure(steps), profile))
        return made[-1]

    yield make
    if any(found.store.runs.is_dir() for found in made):
        cluster.clear()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> list:
    """The weights that the training of `cluster_jobs` makes of 60 steps when nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    spec = {"does": "train", "steps": 60, "pause_s": 0.0, "log": str(folder / "log")}
    job = Job("fit", "k", "training", spec, {}, {}, {}, folder / "out", folder / "work")
    cluster_jobs.execute(job, silent)
    return read_json(folder / "out" / "record.json")["weights"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test that waits for minutes comes first, so that others are run by the other workers meanwhile."""
    items.sort(key=lambda item: item.path.name != "test_time_limit.py")
