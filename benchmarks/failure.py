"""How a step can end without a result."""

from dataclasses import dataclass
from typing import Literal

from gesturebench.common.errors import InputError
from gesturebench.common.processes import PeerLost

FailureKind = Literal["input", "error", "crash", "memory", "timeout", "preempted", "node", "cancelled", "lost"]
"""`input` is the user's to mend, `error` an exception, `crash` a process that died, `memory` one that needed more than
there was (of the machine or of the GPU), `timeout` a time limit, `preempted` a machine given to somebody else, `node` a
machine that was lost, `cancelled` a person's wish, `lost` a job that no scheduler knows any more."""

_MEMORY_TYPES = ("MemoryError", "OutOfMemoryError")
_MEMORY_WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "cublas_status_alloc_failed",
)
"""How numpy, torch, CUDA and the operating system say it; torch's own type is not imported to be compared with."""


@dataclass(frozen=True)
class Failure:
    """Why a step ended without a result."""

    kind: FailureKind
    exception: str
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        message = " ".join(self.message.split())
        return message if self.kind == "input" else f"{self.exception}: {message}"


def failure_of(error: Exception, traceback: str = "") -> Failure:
    """An exception as a value: the user's to mend, a lack of memory, another process that died, or an error.

    >>> failure_of(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")).kind
    'memory'
    """
    return Failure(_kind(error), type(error).__name__, str(error).strip() or "(no message)", traceback)


def _kind(error: Exception) -> FailureKind:
    if _wants_memory(error):
        return "memory"
    return "input" if isinstance(error, InputError) else "crash" if isinstance(error, PeerLost) else "error"


def _wants_memory(error: BaseException | None) -> bool:
    """Whether this error, or the one it was raised from, is a lack of memory."""
    while error is not None:
        if any(cls.__name__ in _MEMORY_TYPES for cls in type(error).__mro__):
            return True
        if isinstance(error, RuntimeError | OSError) and any(word in str(error).lower() for word in _MEMORY_WORDS):
            return True
        error = error.__cause__
    return False
