"""How a step can end without a result."""

from dataclasses import dataclass
from typing import Literal

FailureKind = Literal["input", "error", "crash", "memory", "timeout", "preempted", "node", "cancelled", "lost"]
"""`input` is the user's to mend, `error` an exception, `crash` a process that died, `memory` one that needed more than
there was (of the machine or of the GPU), `timeout` a time limit, `preempted` a machine given to somebody else, `node` a
machine that was lost, `cancelled` a person's wish, `lost` a job that no scheduler knows any more."""


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
