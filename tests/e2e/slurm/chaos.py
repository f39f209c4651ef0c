"""Chaos: a grid runs on a real Slurm while jobs, submitter and controller are killed at random times, and nothing but
`resubmit` is called until it is complete. Then: was every step finished once, is every artifact whole, is the table the
undisturbed one?

    python tests/e2e/slurm/chaos.py FOLDER                     # 42 steps of a real grid, 20 kills, seed 0
    python tests/e2e/slurm/chaos.py FOLDER --toy --kills 6     # toy steps, for a quick look

Starts and stops a cluster of its own in /tmp. The log goes to standard output.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import cluster_jobs  # noqa: E402

from gesturebench.benchmarks.attempts import Attempts  # noqa: E402
from gesturebench.benchmarks.state import RunStore  # noqa: E402
from gesturebench.benchmarks.step import Step, closure  # noqa: E402
from gesturebench.common.files import read_json  # noqa: E402

POLICY = {"preempted": 50, "timeout": 50, "node": 50, "lost": 50, "crash": 50, "memory": 0}
PROFILE = {
    "defaults": {"mem_gb": 1, "time_min": 10},
    "signal_delay_s": 20,
    "pack_max": 4,
    "lost_after_s": 12,
    "policy": POLICY,
    "environment": {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"},
}


@dataclass
class ToyGrid:
    """Real trainings, `motions` made with them and three scores of each; the table is every step's value."""

    folder: Path
    motions: int = 9

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def steps(self) -> tuple[Step, ...]:
        data = cluster_jobs.step("data", kind="prepare")
        training = {"does": "train", "steps": 40, "pause_s": 0.05, "log": str(self.folder / "log")}
        fits = [cluster_jobs.step(f"fit {i}", data, **training) for i in range(3)]
        motions = [
            cluster_jobs.step(f"motion {i}", fits[i % 3], kind="generate", pause_s=0.3) for i in range(self.motions)
        ]
        scores = [
            cluster_jobs.step(f"{metric} {i}", motion, kind="evaluate", pause_s=0.1)
            for i, motion in enumerate(motions)
            for metric in ("bc", "fgd", "l1div")
        ]
        return closure(scores)

    def submitter(self) -> list[str]:
        return [sys.executable, str(Path(__file__).resolve()), str(self.folder), "--submit", str(self.motions)]

    def submit(self) -> None:
        """What the submitter's process does."""
        from gesturebench.slurm.launch import launch
        from gesturebench.slurm.profile import Profile

        profile = Profile.parse(PROFILE | {"defaults": {"mem_gb": 0.4, "time_min": 10}})
        done = launch(self.steps(), RunStore(self.runs), profile, "toy", execute=cluster_jobs.EXECUTE)
        print(f"{len(done.submitted)} submitted, {len(done.live)} in jobs, {len(done.endings)} endings")

    def table(self, runs: Path) -> str:
        kept = ("value.json", "record.json")
        return json.dumps({s.label: [read_json(s.folder(runs) / name) for name in kept] for s in self.steps()})

    def undisturbed(self) -> str:
        from rich.console import Console

        from gesturebench.benchmarks.runner import Runner
        from gesturebench.benchmarks.view import PlainView

        runs = self.folder / "undisturbed"
        Runner(runs, 2, PlainView(Console(quiet=True)), cluster_jobs.execute).run(self.steps())
        return self.table(runs)


@dataclass
class RealGrid:
    """A grid of real methods and metrics at their smallest, all of it through the command line."""

    folder: Path

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def prepare(self) -> None:
        import yaml

        from gesturebench.common.corpus.standin.generate import generate_corpus
        from gesturebench.common.corpus.standin.presets import StandinPreset

        sizes = StandinPreset(speakers=2, clips=6, sentences=2, test_share=0.34, val_share=0.17)
        generate_corpus(sizes, self.folder / "corpus", workers=1)
        short = {"codec": {"training": {"steps": 3, "batch": 2}}, "training": {"steps": 30, "batch": 2}}
        rag = [
            {"label": f"RAG {name}", "method": "rag_gesture", "config": short | {"retrieval": {"strategy": name}}}
            for name in ("none", "discourse", "random")
        ]
        anchors = [{"label": name, "method": name, "group": "anchor"} for name in ("ground_truth", "random_clip")]
        grid = {"title": "Chaos", "protocol": "standin", "preset": "tiny", "data": str(self.folder / "corpus")}
        grid |= {"metrics": ["bc", "l1div", "stress_beats"], "seeds": [0, 1], "rows": [*anchors, *rag]}
        (self.folder / "chaos.yaml").write_text(yaml.safe_dump(grid))
        (self.folder / "cluster.yaml").write_text(yaml.safe_dump(PROFILE))

    def steps(self) -> tuple[Step, ...]:
        from gesturebench.planning import open_plan

        return open_plan(str(self.folder / "chaos.yaml"), self.runs).steps

    def _command(self, *words: object) -> list[str]:
        return [sys.executable, "-m", "gesturebench", *map(str, words)]

    def submitter(self) -> list[str]:
        where = ("--launcher", "slurm", "--profile", self.folder / "cluster.yaml")
        return self._command("resubmit", self.folder / "chaos.yaml", "--runs", self.runs, *where)

    def table(self, runs: Path) -> str:
        words = self._command("table", self.folder / "chaos.yaml", "--runs", runs, "--format", "csv")
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def undisturbed(self) -> str:
        runs = self.folder / "undisturbed"
        words = self._command("run", self.folder / "chaos.yaml", "--runs", runs, "--workers", 2)
        subprocess.run(words, check=True, capture_output=True)
        return self.table(runs)


@dataclass
class Chaos:
    """The killing, and the log of it. `cluster` is the folder of the running Slurm."""

    grid: ToyGrid | RealGrid
    cluster: Path
    kills: int
    dice: random.Random
    say: Callable[[str], None]
    done: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)

    def run(self, patience_s: float) -> None:
        """Resubmit and kill until the grid is complete and all kills are done; a bout lasts as long as the dice say."""
        steps, store = self.grid.steps(), RunStore(self.grid.runs)
        while True:
            missing = sum(not store.is_done(step) for step in steps)
            if not missing:
                break
            assert time.monotonic() - self.began < patience_s, f"{missing} steps missing after {patience_s} s"
            submitter = self._submit()
            if self.kills > sum(self.done.values()) and self.dice.random() < 0.4:
                self._kill_submitter(submitter)
            self._finish(submitter)
            self._pause(self.dice.uniform(1.0, 4.0))
            if self.kills > sum(self.done.values()):
                self.dice.choice([self._kill_job, self._kill_job, self._warn_job, self._kill_controller])()
        self.log(f"complete: {len(steps)} steps, kills {dict(self.done)}")

    def log(self, text: str) -> None:
        self.say(f"{time.monotonic() - self.began:7.1f} s  {text}")

    def _submit(self) -> subprocess.Popen:
        return subprocess.Popen(
            self.grid.submitter(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def _finish(self, submitter: subprocess.Popen) -> None:
        said, _ = submitter.communicate(timeout=180)
        for line in said.strip().splitlines()[:4]:
            self.log(f"  submitter: {line[:150]}")

    def _kill_submitter(self, submitter: subprocess.Popen) -> None:
        """Most likely while it submits: from the moment the newest intent is there."""
        before = len(list(self.grid.runs.glob(".slurm/*/submission.json")))
        for _ in range(400):
            if submitter.poll() is not None or len(list(self.grid.runs.glob(".slurm/*/submission.json"))) > before:
                break
            time.sleep(0.01)
        time.sleep(self.dice.uniform(0, 0.05))
        if submitter.poll() is None:
            submitter.send_signal(signal.SIGKILL)
            self._count("submitter", f"pid {submitter.pid}")

    def _running(self) -> list[str]:
        try:
            words = ["squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i"]
            return sorted(subprocess.run(words, check=True, capture_output=True, text=True, timeout=30).stdout.split())
        except subprocess.SubprocessError:
            return []

    def _kill_job(self) -> None:
        self._signal_job("KILL", "--full")

    def _warn_job(self) -> None:
        self._signal_job("USR2")

    def _signal_job(self, name: str, *options: str) -> None:
        jobs = self._running()
        if jobs:
            job = self.dice.choice(jobs)
            if subprocess.run(["scancel", f"--signal={name}", *options, job], capture_output=True).returncode == 0:
                self._count(f"job ({name})", job)

    def _kill_controller(self) -> None:
        pid = int((self.cluster / "run" / "slurmctld.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        self._count("controller", f"pid {pid}")
        self._pause(self.dice.uniform(0.5, 3.0))
        subprocess.run([HERE / "start-slurm", self.cluster], check=True, capture_output=True, timeout=180)
        self.log("controller is back")

    def _pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def _count(self, what: str, which: str) -> None:
        self.done[what] += 1
        self.log(f"kill {sum(self.done.values())} of {self.kills}: {what} {which}")


def faults(grid: ToyGrid | RealGrid, steps: Sequence[Step], expected: str) -> list[str]:
    """What is wrong afterwards: steps finished more or less than once, broken artifacts, another table."""
    store, found = RunStore(grid.runs), []
    for step in steps:
        times = [attempt.outcome for attempt in Attempts(store.runs).of(step.key)].count("done")
        if times != 1:
            found.append(f"{step.kind} {step.label} was finished {times} times")
        if store.record(step).get("status") != "done":
            found.append(f"{step.kind} {step.label} has no whole record")
        if store.failure_file(step.key).exists():
            found.append(f"{step.kind} {step.label} is noted as failed")
    if grid.table(grid.runs) != expected:
        found.append("the table differs from the undisturbed one")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patience", type=float, default=1800.0, help="seconds")
    parser.add_argument("--submit", type=int, metavar="MOTIONS", help=argparse.SUPPRESS)
    words = parser.parse_args()
    folder = words.folder.resolve()
    if words.submit is not None:
        ToyGrid(folder, words.submit).submit()
        return 0
    folder.mkdir(parents=True)
    grid: ToyGrid | RealGrid = ToyGrid(folder) if words.toy else RealGrid(folder)
    if isinstance(grid, RealGrid):
        grid.prepare()
    cluster = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    subprocess.run([HERE / "start-slurm", cluster], check=True, capture_output=True)
    os.environ["SLURM_CONF"] = str(cluster / "etc" / "slurm.conf")
    try:
        Chaos(grid, cluster, words.kills, random.Random(words.seed), lambda line: print(line, flush=True)).run(
            words.patience
        )
    finally:
        subprocess.run([HERE / "stop-slurm", "--remove", cluster], check=True)
    found = faults(grid, grid.steps(), grid.undisturbed())
    print("\n".join(found) or "every step was finished once, all artifacts are whole, the table is the undisturbed one")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
