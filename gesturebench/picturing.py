"""What the verb `figure` does."""

import re
from pathlib import Path

from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.state import RunStore
from gesturebench.common.errors import InputError
from gesturebench.common.files import check_output
from gesturebench.console import console
from gesturebench.results.figure_style import checked_ending, save_figure
from gesturebench.results.figures import Wish, draw_figure


def draw(plan: Plan, runs: Path, wish: Wish, out: Path) -> None:
    """Write the figure; what cannot be written is refused before anything is read. The store is only read."""
    from gesturebench.tabling import known_states

    checked_ending(out)
    check_output(out)
    _check_published(wish, plan)
    store = RunStore(runs)
    save_figure(draw_figure(wish, plan, store, known_states([plan], store)), out)
    console().print(f"Figure: {out}", markup=False, soft_wrap=True)


def _check_published(wish: Wish, plan: Plan) -> None:
    labels = [row.label for row in plan.grid.rows]
    if wish.published is not None and not any(label in labels for label, _ in wish.published):
        raise InputError(
            f"the published table has no row of {plan.grid.title!r}",
            expected=f"one that was made for its rows, such as {labels[0]!r}",
            remedy="see `gesturebench reproduce --list`",
        )


def default_file(grid: str, kind: str) -> Path:
    """In the current folder, after the grid: the store may be read-only.

    >>> default_file("rag_gesture[retrieval=none,discourse]", "axis").name
    'rag_gesture-retrieval-none-discourse-axis.svg'
    """
    stem = Path(grid).stem if grid.endswith((".yaml", ".yml")) else grid
    return Path(f"{re.sub(r'[^A-Za-z0-9_.]+', '-', stem).strip('-')}-{kind}.svg")
