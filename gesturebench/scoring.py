"""The verb `evaluate`: a folder of motion files against the true motion of a data folder."""

from pathlib import Path

from gesturebench.benchmarks.grid import load_grid
from gesturebench.benchmarks.source import find_source
from gesturebench.benchmarks.state import RunStore
from gesturebench.common.corpus.protocol import Protocol, get_protocol
from gesturebench.common.corpus.store import ClipStore, store_version
from gesturebench.common.errors import InputError
from gesturebench.console import console, progress_bar


def evaluate_folder(
    predictions: Path,
    data: str,
    body: str | None,
    protocol_name: str,
    metrics: list[str],
    grid_name: str,
    partial: bool,
    runs: Path,
) -> None:
    """Prepare the data if need be, score every clip of the protocol, print the numbers with N and protocol."""
    from gesturebench.benchmarks.steps import score
    from gesturebench.common.threads import limit_threads
    from gesturebench.evaluators.registry import get_evaluator

    protocol = get_protocol(protocol_name)
    chosen = {metric: protocol.settings(metric) for metric in metrics or protocol.evaluators}
    _require_folder(predictions)
    encoders = find_encoders(list(chosen), grid_name, runs)
    store = prepared(data, body, runs)
    motions = prediction_files(predictions, protocol, store, partial)
    limit_threads()
    size, results = load_grid(grid_name).preset, {}
    for metric, settings in chosen.items():
        cls = get_evaluator(metric)
        config = cls.preset(size).updated(settings, f"protocol {protocol.name} {metric}").model_dump(mode="json")
        with progress_bar(metric) as progress:
            results[metric], _ = score(metric, config, store, motions, encoders.get(metric), progress)
    _show(results, protocol, store, len(motions))
    others = {path.stem for path in predictions.glob("[!.]*.npz")} - motions.keys()
    if others:
        console(stderr=True).print(
            f"{predictions}: left out {min(others)}.npz, {len(others)} in all: no clips of the protocol",
            markup=False,
            soft_wrap=True,
        )


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", expected="a folder of <clip id>.npz", remedy="correct the path")


def find_encoders(metrics: list[str], grid_name: str, runs: Path) -> dict[str, Path]:
    """Folders of the trained parts, from a run of the grid."""
    from gesturebench.commands import open_plan
    from gesturebench.evaluators.registry import get_evaluator

    fitted = [metric for metric in metrics if get_evaluator(metric).fitted]
    if not fitted:
        return {}
    plan, found = open_plan(grid_name, runs), RunStore(runs)
    for metric in fitted:
        if metric not in plan.encoders:
            raise InputError(
                f"grid {grid_name!r} has no encoder of {metric}",
                remedy="choose another --grid or leave the metric out with --metrics",
            )
    return {metric: found.require(plan.encoders[metric], f"gesturebench run {grid_name}") for metric in fitted}


def prepared(data: str, body: str | None, runs: Path) -> ClipStore:
    """The clip store of a data folder, built now if it is not there."""
    from gesturebench.benchmarks.runner import Runner
    from gesturebench.benchmarks.view import view_for

    steps = find_source(data, body, runs).steps(store_version())
    outcome = Runner(runs, 1, view_for(console(stderr=True))).run(steps)
    for failure in outcome.failed.values():
        raise InputError(failure.message) if failure.kind == "input" else RuntimeError(str(failure))
    return ClipStore.open(steps[-1].folder(runs))


def prediction_files(folder: Path, protocol: Protocol, store: ClipStore, partial: bool) -> dict[str, Path]:
    """Motion file by clip id; missing ones are an error unless `partial`."""
    clips = protocol.clips(store)
    files = {clip: folder / f"{clip}.npz" for clip in clips if (folder / f"{clip}.npz").is_file()}
    absent = [clip for clip in clips if clip not in files]
    if not files or (absent and not partial):
        raise InputError(
            f"{folder}: no {absent[0]}.npz ({len(absent)} of {len(clips)} clips are missing)",
            expected="one file per clip of the protocol",
            remedy="add them, or pass --partial to score the rest" if files else "name the files after the clips",
        )
    return files


def _show(results: dict[str, dict], protocol: Protocol, store: ClipStore, n: int) -> None:
    from rich.table import Table

    from gesturebench.evaluators.registry import get_evaluator

    table = Table("metric", "value", "n", "better", box=None)
    for metric, numbers in results.items():
        for column in get_evaluator(metric).columns:
            if column.key in numbers:
                table.add_row(
                    column.heading,
                    f"{numbers[column.key]:.{max(column.decimals, 4)}f}",
                    str(numbers["n"]),
                    column.direction,
                )
    screen = console()
    screen.print(table)
    kind = "stand-in corpus, not BEAT2" if store.is_standin else str(store.info.get("source", store.path))
    screen.print(f"{n} clips; protocol {protocol.name} ({protocol.hash}); data {kind}", markup=False, soft_wrap=True)
    for metric, numbers in results.items():
        if "encoder" in numbers:
            screen.print(f"{metric} encoder {numbers['encoder']}", markup=False)
