"""Where commands print: results to standard output, progress to standard error."""

import contextlib
from collections.abc import Iterator

from gesturebench.common.progress import Progress, silent


def console(*, stderr: bool = False):
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """A bar on the terminal while the block runs; silent elsewhere."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield silent
        return
    from rich.progress import Progress as Bars

    with Bars(console=screen, transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
