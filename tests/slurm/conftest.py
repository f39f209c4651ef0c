"""Slurm's commands as small scripts: what a controller does that is away for a while can be had without a cluster."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gesturebench.slurm import client, launch

COUNT = "n=$(cat {name}.calls 2>/dev/null || echo 0); n=$((n + 1)); echo $n > {name}.calls"
AWAY = 'away() { echo "error: Unable to contact slurm controller (connect failure)" >&2; exit 1; }'


@pytest.fixture
def command(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Makes a command of a shell's lines, which run in one folder, may call `away` and know the number `n` of their
    call; returns the file that holds the last number. Nobody waits between calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(client, "DELAYS_S", (0, 0))
    monkeypatch.setattr(launch, "DELAYS_S", (0, 0, 0))

    def made(name: str, lines: str = "") -> Path:
        (folder / name).write_text("\n".join(["#!/bin/sh", f"cd {folder}", COUNT.format(name=name), AWAY, lines]))
        (folder / name).chmod(0o755)
        return folder / f"{name}.calls"

    for name in ("sbatch", "srun", "squeue", "sacct", "scancel", "scontrol"):
        made(name)
    return made
