"""Many speeches, a few at a time. Imports nothing heavy."""

from collections.abc import Callable, Sequence

from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.progress import Progress
from gesturebench.methods.base import Control

Alive = Callable[[], None]
"""Called while a batch is made: it says that work goes on, and may stop it."""
MakeBatch = Callable[[Sequence[Speech], Sequence[Control | None], Alive], list[Motion]]


def in_batches(
    make: MakeBatch,
    speeches: Sequence[Speech],
    control: Sequence[Control | None] | None,
    size: int,
    progress: Progress,
) -> list[Motion]:
    """One motion per speech, made of `size` speeches at once; `progress` hears of each batch, and in between."""
    controls = [None] * len(speeches) if control is None else control
    motions: list[Motion] = []
    for first in range(0, len(speeches), size):
        part = slice(first, first + size)

        def alive(done: int = first) -> None:
            progress(done, len(speeches))

        motions += make(speeches[part], controls[part], alive)
        progress(len(motions), len(speeches))
    return motions
