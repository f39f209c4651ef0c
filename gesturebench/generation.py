"""The verb `generate`: motion for a sound file from the trained parts of a grid."""

from pathlib import Path
from typing import TYPE_CHECKING

from gesturebench.benchmarks.grid import Row
from gesturebench.benchmarks.plan import Cell, Plan
from gesturebench.benchmarks.recipe import row_config
from gesturebench.benchmarks.state import RunStore
from gesturebench.common.errors import InputError
from gesturebench.common.files import check_output
from gesturebench.console import console, progress_bar
from gesturebench.given import Given
from gesturebench.keyframes import FPS, Keyframes

if TYPE_CHECKING:
    from gesturebench.common.corpus.clip import Motion, Speech
    from gesturebench.methods.base import Control


def generate_file(
    plan: Plan, runs: Path, grid_name: str, method: str, row: str | None,
    audio: Path, textgrid: Path | None, speaker: int, seed: int, out: Path, given: Given | Keyframes | None = None,
) -> None:  # fmt: skip
    """Everything that can be refused is refused before anything heavy is loaded."""
    from gesturebench.common.corpus.beat2 import read_speech
    from gesturebench.common.motion.export import save_motion

    cell = choose_cell(plan, method, row, seed)
    if given is not None:
        check_takes_motion(method)
    artifacts = _artifacts(cell, RunStore(runs), f"gesturebench run {grid_name}")
    check_output(out)
    speech = read_speech(audio, textgrid, speaker=speaker)
    control = given.control(speech.n_frames(FPS)) if isinstance(given, Keyframes) else given and given.control()
    motion = _sample(plan, cell, artifacts, speech, control, seed)
    save_motion(out, motion)
    words = f"{len(speech.words)} words" if speech.words else "no words"
    console().print(
        f"{out}: {motion.n_frames} frames at {motion.fps:g} fps, {cell.row.label}, {words}",
        markup=False,
        soft_wrap=True,
    )


def choose_cell(plan: Plan, method: str, label: str | None, seed: int) -> Cell:
    """The row's cell with this seed, else with its first; only rows that can do with speech alone."""
    from gesturebench.methods.registry import get_method

    if get_method(method).control == "reference":
        raise InputError(
            f"method {method!r} copies the true motion of a clip",
            expected="a method that generates",
            remedy="see `gesturebench methods`",
        )
    row = plan.grid.row(label) if label else _competing_row(plan, method)
    cells = plan.cells_of(row.label)
    if row.label in plan.absent:
        raise InputError(f"row {row.label!r}: {plan.absent[row.label]}", remedy="choose another --row")
    if row.method != method:
        raise InputError(
            f"row {row.label!r} is of method {row.method!r}",
            expected=f"a row of {method!r}",
            remedy="choose another --row",
        )
    if cells[0].query == "oracle":
        raise InputError(
            f"row {row.label!r} reads the truth of its clips, which a sound file does not have",
            remedy="choose another --row",
        )
    return next((cell for cell in cells if cell.seed == seed), cells[0])


def check_takes_motion(method: str) -> None:
    """Only some methods may be given motion."""
    from gesturebench.methods.registry import get_method, method_names

    if get_method(method).control != "keyframes":
        taking = [name for name in method_names() if get_method(name).control == "keyframes"]
        raise InputError(
            f"method {method!r} takes no motion beside the speech",
            expected=f"--given or --control with {' or '.join(taking)}",
            remedy="leave it out",
        )


def _competing_row(plan: Plan, method: str) -> Row:
    rows = [row for row in plan.grid.rows if row.method == method and row.label not in plan.absent]
    if not rows:
        raise InputError(
            f"grid {plan.grid.title!r} has no row of method {method!r}",
            remedy="choose a grid that trains it with --grid",
        )
    return [row for row in rows if row.group == "method" or row is rows[0]][-1]


def _artifacts(cell: Cell, store: RunStore, command: str) -> dict[str, Path]:
    return {name: store.require(step, command) for name, step in cell.generate.inputs.items()}


def _sample(
    plan: Plan, cell: Cell, artifacts: dict[str, Path], speech: "Speech", control: "Control | None", seed: int
) -> "Motion":
    from gesturebench.common.corpus.store import ClipStore
    from gesturebench.common.threads import limit_threads
    from gesturebench.methods.registry import get_method

    limit_threads()
    cls = get_method(cell.row.method)
    for name in sorted(cls.requires):
        if not getattr(speech, name):
            raise InputError(
                f"{speech.clip_id}: no {name}",
                expected=f"{name}, which method {cls.name!r} requires",
                remedy="pass --textgrid",
            )
    store = ClipStore.open(artifacts.pop("store"))
    with progress_bar(f"generating {speech.duration_s:.0f} s") as progress:
        method = cls.load(row_config(cls, cell.row, plan.grid), artifacts, store)
        return method.generate([speech], seed=seed, control=control and [control], progress=progress)[0]
