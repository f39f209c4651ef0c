"""Progress that tells the truth: a callback that long loops call, and the rich bar that listens to it."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called as `progress(done, total)` by every loop that may take longer than two seconds."""


def silent(done: int, total: int) -> None:
    """The progress of nobody watching."""
