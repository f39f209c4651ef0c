"""Slurm's own commands: what they print, or why they did not."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from gesturebench.common.errors import InputError

_TIMEOUT_S = 60

_UNREACHABLE = (
    "Unable to contact slurm controller", "Socket timed out", "Connection refused", "Zero Bytes were transmitted",
    "Transport endpoint is not connected", "Unable to connect to database", "Problem talking to the database",
    "Resource temporarily unavailable", "Unexpected message received", "slurmdbd",
)  # fmt: skip
"""Texts by which Slurm says that a daemon did not answer, in contrast to its answer being no."""


class Unreachable(Exception):
    """A daemon of Slurm does not answer. It may have heard us nevertheless."""


class Refused(Exception):
    """Slurm has understood and says no, in its own words."""


def call(*words: str, timeout_s: float = _TIMEOUT_S) -> str:
    """Run one of Slurm's commands and return its standard output."""
    require(words[0])
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, env=_environment())
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"{words[0]} gave no answer in {timeout_s:.0f} s") from error
    if done.returncode:
        raise failure(done.stderr or done.stdout or f"exit code {done.returncode}")
    return done.stdout


def require(*commands: str) -> None:
    """Refuse to go on where one of Slurm's commands is missing."""
    for command in commands:
        if shutil.which(command) is None:
            raise InputError(
                f"{command}: no such command",
                expected="Slurm's commands on PATH",
                remedy="run this on a login node of the cluster, or with --launcher local",
            )


def failure(text: str) -> Exception:
    """What a command's complaint means."""
    line = " ".join(text.split())
    return Unreachable(line) if any(phrase in line for phrase in _UNREACHABLE) else Refused(line)


def _environment() -> dict[str, str]:
    """Without the variables of a job that we may be in, which the commands would obey, and in one format of time."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_", "SQUEUE_"))}
    kept |= {name: os.environ[name] for name in ("SLURM_CONF",) if name in os.environ}
    return kept | {"SLURM_TIME_FORMAT": "standard", "LC_ALL": "C.UTF-8"}


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Silence and refusal as a person at the command line should read them."""
    try:
        yield
    except Unreachable as error:
        raise InputError(
            f"Slurm does not answer: {error}", remedy="run the command again later; nothing is lost"
        ) from error
    except Refused as error:
        raise InputError(
            f"Slurm refuses: {error}", expected="a request that it grants", remedy="mend that and run the command again"
        ) from error


DELAYS_S = (1, 2, 4, 8)
"""Seconds before a daemon that did not answer is asked again."""

T = TypeVar("T")


def patiently(ask: Callable[[], T], *, tell: Callable[[str], None]) -> T:
    """Ask again, later and later, while a daemon does not answer; the last answer counts."""
    for delay_s in DELAYS_S:
        try:
            return ask()
        except Unreachable as error:
            tell(f"Slurm does not answer ({error}); asking again in {delay_s:.0f} s")
            time.sleep(delay_s)
    return ask()
