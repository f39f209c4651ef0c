"""The run record: what a step leaves behind about itself, its passport."""

import os
import platform
import socket
import subprocess
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gesturebench.benchmarks.job import Job


def record_of(job: Job, started: float, found: dict[str, Any]) -> dict[str, Any]:
    """Everything about a finished step: what it was, what it was made from, when, where and by which versions."""
    return {
        "status": "done",
        "kind": job.kind,
        "key": job.key,
        "label": job.label,
        "spec": dict(job.spec),
        "inputs": dict(job.input_keys),
        "seed": job.spec.get("seed"),
        "attempt": job.attempt,
        "batch_divisor": job.batch_divisor,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "duration_s": round(time.time() - started, 3),
        "versions": versions(),
        "commit": commit(),
        "device": _device(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")),
        "host": socket.gethostname(),
        **found,
    }


@cache
def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in ("gesturebench", "torch", "numpy", "scipy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


@cache
def commit() -> dict[str, Any] | None:
    """Commit and dirtiness of the checkout the code runs from; None outside a checkout."""
    here = Path(__file__).resolve().parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=10)
        status = subprocess.run(["git", "status", "--porcelain"], cwd=here, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if head.returncode or status.returncode:
        return None
    return {"commit": head.stdout.strip(), "dirty": bool(status.stdout.strip())}


def _device() -> str:
    import torch

    from gesturebench.common.device import device

    if device().type == "cuda":
        return torch.cuda.get_device_name()
    return f"cpu ({platform.processor() or platform.machine()})"
