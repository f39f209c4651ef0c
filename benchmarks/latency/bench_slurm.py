"""What the launcher costs on a cluster: submission of many steps, and each step of a pack beyond its own work.

Needs a running Slurm (SLURM_CONF, or the machine's own): `eval "$(tests/e2e/slurm/start-slurm /tmp/slurm)"`.
"""

import itertools
import shutil
import sys
import time
from pathlib import Path

import pytest

from gesturebench.benchmarks.state import RunStore
from gesturebench.following import follow
from gesturebench.slurm.launch import launch
from gesturebench.slurm.profile import Profile

CLUSTER = Path(__file__).parents[2] / "tests" / "e2e" / "slurm"
sys.path.insert(0, str(CLUSTER))

import cluster_jobs  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("sbatch") is None, reason="no Slurm on this machine")

PROFILE = Profile.parse({"defaults": {"mem_gb": 0.4, "time_min": 60}, "environment": {"PYTHONPATH": str(CLUSTER)}})


def _silent(line: str) -> None:
    pass


def _steps(count: int) -> tuple:
    return tuple(cluster_jobs.step(str(number), kind="evaluate") for number in range(count))


def test_submission_of_500_cells(benchmark, tmp_path):
    """500 short cells in one array: seconds until the submitter may leave."""
    stores = (RunStore(tmp_path / str(number)) for number in itertools.count())

    def submit():
        done = launch(_steps(500), next(stores), PROFILE, "bench", tell=_silent, execute=cluster_jobs.EXECUTE)
        assert len(done.jobs) == 1
        return done

    done = benchmark.pedantic(submit, rounds=3)
    benchmark.extra_info |= {"steps": len(done.submitted), "jobs": done.n_jobs}


def test_packed_steps(benchmark, tmp_path):
    """500 steps that do nothing, submitted and followed to the end: seconds per step are all the launcher's."""
    store, steps = RunStore(tmp_path / "runs"), _steps(500)

    def run():
        assert follow(steps, store, PROFILE, "bench", _silent, cluster_jobs.EXECUTE, last_s=1.0) == 0

    start = time.perf_counter()
    benchmark.pedantic(run, rounds=1)
    benchmark.extra_info |= {"steps": 500, "s_per_step": (time.perf_counter() - start) / 500}
