"""What the verb `figure` does."""

import re
from pathlib import Path

from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.state import RunStore
from gesturebench.common.files import check_output
from gesturebench.console import console
from gesturebench.results.figure_style import checked_ending, save_figure
from gesturebench.results.figures import Wish, draw_figure


def draw(plan: Plan, runs: Path, wish: Wish, out: Path) -> None:
    """Write the figure; what cannot be written is refused before anything is read."""
    from gesturebench.tabling import known_states

    checked_ending(out)
    check_output(out)
    store = RunStore(runs)
    save_figure(draw_figure(wish, plan, store, known_states([plan], store)), out)
    console().print(f"Figure: {out}", markup=False, soft_wrap=True)


def default_file(grid: str, kind: str) -> Path:
    """In the current folder, after the grid: the store may be read-only."""
    return Path(f"{file_stem(grid)}-{kind}.svg")


def file_stem(grid: str) -> str:
    """What files about a grid are called.

    >>> file_stem("rag_gesture[guidance.lr=0.05,0.1]"), file_stem("grids/mine.yaml")
    ('rag_gesture-guidance.lr-0.05-0.1', 'mine')
    """
    stem = Path(grid).stem if grid.endswith((".yaml", ".yml")) else grid
    return re.sub(r"[^A-Za-z0-9_.]+", "-", stem).strip("-")
