"""The first thing that runs in a job, before anything heavy is imported: `python -m gesturebench.slurm.start -u -m
submitit.core._submit FOLDER`.

Slurm warns a job (USR2, TERM) at any moment, also while python is still importing. From here on these signals are
blocked: they wait until somebody looks, here or in a worker process, which inherits the mask.
"""

import os
import runpy
import signal
import sys
from pathlib import Path

from gesturebench.common.progress import STOP_SIGNALS
from gesturebench.slurm.payload import Payload


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    folder = Path(sys.argv[-1])
    _put_pickle(folder)
    sys.argv = ["submitit", str(folder)]
    runpy.run_module("submitit.core._submit", run_name="__main__")


def _put_pickle(folder: Path) -> None:
    """Submitit moves the pickles of an array into place when sbatch has answered; a submitter that was killed before
    never did. What to do is known from the job's name: the pickle is put there by whoever comes first."""
    from submitit.core.utils import DelayedSubmission, JobPaths

    from gesturebench.benchmarks.owner import SlurmJob, element_of

    job_id = SlurmJob.of().id
    final = JobPaths(folder, job_id).submitted_pickle
    if final.exists():
        return
    number = int(os.environ["SLURM_JOB_NAME"].rpartition("-")[2])
    part = final.with_name(f".{final.name}.{os.getpid()}")
    DelayedSubmission(Payload(folder.parent, number), element_of(job_id)).dump(part)
    os.replace(part, final)


if __name__ == "__main__":
    main()
