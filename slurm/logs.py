"""Slurm's logs of a job: what its batch script, srun and python said outside of any step."""

from pathlib import Path

from gesturebench.benchmarks.log import tail
from gesturebench.slurm.executor import JOBS
from gesturebench.slurm.survey import Post


def log_files(post: Post) -> tuple[Path, ...]:
    """Standard error and output of a job, as far as they are there; all lives of a requeued job in one."""
    if not post.job_id:
        return ()
    folder = post.submission.folder / JOBS
    files = (folder / f"{post.job_id}_0_log.{ending}" for ending in ("err", "out"))
    return tuple(file for file in files if file.is_file())


def error_tail(post: Post) -> str:
    return next((tail(file) for file in log_files(post) if file.suffix == ".err"), "")
