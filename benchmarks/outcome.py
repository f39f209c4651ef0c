"""How a run ended."""

from dataclasses import dataclass, field

from gesturebench.benchmarks.failure import Failure

INTERRUPTED = 75
"""Exit code of a run that was asked to stop and can go on: EX_TEMPFAIL of sysexits.h."""


@dataclass
class Outcome:
    """How a run ended: keys of steps that were there before (or that another run made meanwhile), were made, failed,
    could not start because of a failed one, or were stopped or not begun because the run was asked to stop."""

    cached: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    failed: dict[str, Failure] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """75 if something was interrupted, else 0 all there, 2 if something is the user's to mend, else 1."""
        if self.interrupted:
            return INTERRUPTED
        if not self.failed:
            return 0
        return 2 if any(failure.kind == "input" for failure in self.failed.values()) else 1

    def closing_line(self, named: str) -> str:
        """What is left and where to look; the failures themselves were told when they happened. `named` is how a shell
        names the plan."""
        parts = [f"{_steps(len(self.failed))} failed"] if self.failed else []
        parts += [f"{_steps(len(self.blocked))} not run for that"] if self.blocked else []
        parts += (
            [f"{_steps(len(self.interrupted))} interrupted, the same command continues"] if self.interrupted else []
        )
        where = f": see `gesturebench status {named}`" if self.failed else ""
        return f"{'error' if self.failed else 'stopped'}: {'; '.join(parts)}{where}"


def _steps(count: int) -> str:
    return f"{count} step" if count == 1 else f"{count} steps"
