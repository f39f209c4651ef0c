"""Evidence that the kernel killed for want of memory: a process that is killed cannot say why."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def kernel_kills() -> int | None:
    """How often the kernel has killed for memory so far, in our control group if it counts them, else on the whole
    machine; None where nobody counts."""
    for path in _counters():
        try:
            text = path.read_text()
        except OSError:
            continue
        if (count := count_in(text)) is not None:
            return count
    return None


def count_in(text: str) -> int | None:
    """The number behind `oom_kill`.

    >>> count_in("oom_kill_disable 0\\nunder_oom 0\\noom_kill 3\\n")
    3
    """
    for line in text.splitlines():
        name, _, number = line.partition(" ")
        if name == "oom_kill" and number.strip().isdecimal():
            return int(number)
    return None


def _counters() -> Iterator[Path]:
    """Our own group in the second and the first version of control groups, the group a container is shown as its root,
    the machine."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            yield ROOT / group.strip("/") / "memory.events"
        elif "memory" in controllers.split(","):
            yield ROOT / "memory" / group.strip("/") / "memory.oom_control"
    yield ROOT / "memory.events"
    yield ROOT / "memory" / "memory.oom_control"
    yield Path("/proc/vmstat")
