"""Work over processes: in order, deaf to Ctrl-C, and gone when their parent is."""

import os
import signal
import subprocess
import sys
import textwrap
import time

from gesturebench.common.parallel import over_processes


def mask(shared: str, item: int) -> tuple[str, bool]:
    return f"{shared}{item}", signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_results_come_in_order_from_processes_that_do_not_hear_ctrl_c():
    assert list(over_processes(mask, "x", [3, 1, 2], workers=2)) == [("x3", True), ("x1", True), ("x2", True)]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


PARENT = """
    import os, time
    from pathlib import Path
    from gesturebench.common.parallel import over_processes

    def work(folder, item):
        Path(folder, f"{item}.part").write_text(str(os.getpid()))
        Path(folder, f"{item}.part").rename(Path(folder, f"{item}.pid"))
        time.sleep(60)

    if __name__ == "__main__":
        list(over_processes(work, os.environ["FOLDER"], [0, 1], 2))
"""


def test_workers_end_with_a_killed_parent(tmp_path):
    (tmp_path / "parent.py").write_text(textwrap.dedent(PARENT))
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py"], env=os.environ | {"FOLDER": str(tmp_path)})
    wait_for(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
    pids = [int(path.read_text()) for path in tmp_path.glob("*.pid")]
    parent.kill()
    parent.wait()
    wait_for(lambda: not any(runs(pid) for pid in pids))


def runs(pid: int) -> bool:
    """A zombie that nobody collects does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
