"""Trained parts of metrics for scoring outside a grid: from a run of a grid, or from a published file."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gesturebench.benchmarks.state import RunStore
from gesturebench.common.config import Config
from gesturebench.common.errors import InputError
from gesturebench.common.fitting import FitContext


def is_published(config: Config) -> bool:
    """Whether a metric's encoder is a published file, not a part of our own training."""
    return getattr(config, "encoder", None) == "published"


def with_published(configs: dict[str, Config], encoder: Path, where: str) -> dict[str, Config]:
    """Settings in which `encoder` is the published file, wherever a metric takes one."""
    takers = {metric: config for metric, config in configs.items() if is_published(config)}
    if not takers:
        raise InputError(
            f"--encoder {encoder}: {where} has no metric with a published encoder",
            expected="a protocol such as emage-spk2",
            remedy="leave --encoder out or choose another protocol",
        )
    return configs | {metric: config.updated({"weights": str(encoder)}) for metric, config in takers.items()}


@contextmanager
def trained_parts(
    configs: Mapping[str, Config], store, grid_name: str, runs: Path, optional: frozenset[str]
) -> Iterator[tuple[dict[str, Path], dict[str, str]]]:
    """Folders of trained parts by metric for the length of the block, and why an `optional` metric has none."""
    from gesturebench.evaluators.registry import get_evaluator

    parts, left_out = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for metric, config in configs.items():
            if not get_evaluator(metric).fitted:
                continue
            try:
                if is_published(config):
                    parts[metric] = _imported(metric, config, store, Path(scratch))
                else:
                    parts |= find_encoders([metric], grid_name, runs)
            except InputError as error:
                if metric not in optional:
                    raise
                left_out[metric] = str(error)
        yield parts, left_out


def _imported(metric: str, config: Config, store, scratch: Path) -> Path:
    """The artifact of a published file: the one that is named, else the data folder's."""
    from gesturebench.common.corpus.fingerprint import FGD_WEIGHTS
    from gesturebench.evaluators.registry import get_evaluator

    if config.weights is None and not (store.path / FGD_WEIGHTS).is_file():
        raise InputError(
            f"{store.info['source']}: no {FGD_WEIGHTS}",
            expected=f"the published encoder of {metric}",
            remedy="pass --encoder FILE, or put it there",
        )
    out, work = scratch / metric, scratch / f"{metric}.work"
    out.mkdir()
    work.mkdir()
    get_evaluator(metric).fit(config, FitContext(store, out, work))
    return out


def find_encoders(metrics: list[str], grid_name: str, runs: Path) -> dict[str, Path]:
    """Folders of the parts that a run of the grid has trained."""
    from gesturebench.evaluators.registry import get_evaluator
    from gesturebench.planning import open_plan

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
