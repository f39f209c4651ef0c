"""The verb `evaluate`: a folder of motion that anyone generated, scored under a protocol, without the generator."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gesturebench.benchmarks.grid import load_grid
from gesturebench.benchmarks.plan import configured
from gesturebench.benchmarks.source import body_file, find_source
from gesturebench.common.config import Config
from gesturebench.common.corpus.protocol import Protocol, get_protocol
from gesturebench.common.corpus.store import ClipStore, store_version
from gesturebench.common.errors import InputError
from gesturebench.common.files import check_output, write_json
from gesturebench.console import console, progress_bar
from gesturebench.trained_parts import find_encoders, trained_parts, with_published

__all__ = ["Request", "evaluate_folder", "find_encoders", "prepared", "rescore"]


@dataclass(frozen=True)
class Request:
    """What `gesturebench evaluate` was asked for; without `metrics`, all of the protocol's that can be had. `settings`
    such as `multimodality.missing=released` make another protocol of it."""

    predictions: Path
    protocol: str = "self"
    data: str | None = None
    body: str | None = None
    layout: str = "auto"
    metrics: tuple[str, ...] = ()
    grid: str = "demo"
    encoder: Path | None = None
    mean_speed: Path | None = None
    partial: bool = False
    runs: Path = Path("runs")
    out: Path | None = None
    settings: tuple[str, ...] = ()


def evaluate_folder(request: Request) -> None:
    """Score every unit of the protocol in one pass, print the numbers and, if asked, write them with their passport."""
    from gesturebench.common.threads import limit_threads

    protocol = with_settings(get_protocol(request.protocol), request.settings)
    if request.out is not None:
        check_output(request.out)
    limit_threads()
    result = rescore(protocol, request)
    _show(result)
    if request.out is not None:
        write_json(request.out, result)


def rescore(protocol: Protocol, request: Request) -> dict[str, Any]:
    """Numbers, what each unit contributed, and the passport, as one JSON-like value."""
    from gesturebench.benchmarks.scores import score
    from gesturebench.common.corpus.repetitions import read_repetitions
    from gesturebench.evaluators.registry import get_evaluator
    from gesturebench.repeated import sampling

    configs = metric_configs(protocol, request)
    optional = frozenset() if request.metrics else frozenset(configs)
    found = read_repetitions(request.predictions, request.layout, partial=request.partial)
    samples = sampling(found, protocol, configs, partial=request.partial, optional=optional)
    configs = {metric: config for metric, config in configs.items() if metric not in samples.left_out}
    pairs, store = _pairs(protocol, samples, request)
    with trained_parts(configs, store, request.grid, request.runs, optional) as (parts, left_out):
        chosen = {metric: config for metric, config in configs.items() if metric not in left_out}
        evaluators = {m: get_evaluator(m)(config, store, parts.get(m)) for m, config in chosen.items()}
        with progress_bar(f"scoring {found.folder.name}") as progress:
            scores = score(evaluators, pairs, len(pairs), progress, optional)
    scores.left_out = samples.left_out | left_out | scores.left_out
    if not scores.numbers:
        raise InputError(f"{found.folder}: nothing could be scored: {next(iter(scores.left_out.values()))}")
    return _result(protocol, found, pairs, store, configs, scores)


def metric_configs(protocol: Protocol, request: Request) -> dict[str, Config]:
    """Settings of every metric that is asked for: the grid's size, then the protocol's own."""
    from gesturebench.evaluators.registry import get_evaluator

    size, chosen = load_grid(request.grid).preset, request.metrics or tuple(protocol.evaluators)
    names = dict.fromkeys((*protocol.evaluators, *chosen))
    configs = {metric: configured(get_evaluator(metric), size, protocol) for metric in names}
    if request.encoder is not None:
        configs = with_published(configs, request.encoder, f"protocol {protocol.name!r}")
    return {metric: configs[metric] for metric in chosen}


def with_settings(protocol: Protocol, settings: tuple[str, ...]) -> Protocol:
    """The protocol with other settings of its metrics, each given as `metric.key=value`; its hash is another."""
    import yaml

    from gesturebench.evaluators.registry import embedding_metric_names

    evaluators = {metric: dict(own) for metric, own in protocol.evaluators.items()}
    for setting in settings:
        match = re.fullmatch(r"(?P<metric>\w+)\.(?P<key>\w+)=(?P<value>[\w.+-]+)", setting)
        if match is None:
            raise InputError(f"--set {setting}", expected="METRIC.KEY=VALUE such as multimodality.samples=10")
        if match["metric"] not in embedding_metric_names():
            protocol.settings(match["metric"])
        evaluators.setdefault(match["metric"], {})[match["key"]] = yaml.safe_load(match["value"])
    return protocol.model_copy(update={"evaluators": evaluators})


def _pairs(protocol: Protocol, samples, request: Request):
    """What is scored, and the store that evaluators ask."""
    from gesturebench.common.corpus.exported import ExportedStore
    from gesturebench.pairing import AgainstData, AgainstOwn

    if request.data is None:
        pairs = samples.pairs(lambda found, partial: AgainstOwn.of(protocol, found, partial=partial), request.partial)
        body = body_file(request.body)
        return pairs, ExportedStore(samples.found.folder, pairs.first.items, body, request.mean_speed)
    store = prepared(request.data, request.body, request.runs)
    return samples.pairs(
        lambda found, partial: AgainstData.of(protocol, found, store, partial=partial), request.partial
    ), store


def prepared(data: str, body: str | None, runs: Path) -> ClipStore:
    """The clip store of a data folder, built now if it is not there."""
    from gesturebench.benchmarks.remembered import remember
    from gesturebench.benchmarks.runner import Runner
    from gesturebench.benchmarks.view import view_for

    steps = find_source(data, body, runs).steps(store_version())
    remember(f"data {data}", steps, runs)
    outcome = Runner(runs, 1, view_for(console(stderr=True))).run(steps)
    for failure in outcome.failed.values():
        raise InputError(failure.message) if failure.kind == "input" else RuntimeError(str(failure))
    return ClipStore.open(steps[-1].folder(runs))


def _result(protocol: Protocol, found, pairs, store, configs: dict[str, Config], scores) -> dict[str, Any]:
    from gesturebench.benchmarks.record import commit, versions
    from gesturebench.common.corpus.passport import Passport, encoders_of

    encoders = encoders_of(scores.numbers, protocol)
    passport = Passport(protocol, scores.units, store.fingerprint, store.is_standin, encoders, pairs.partial)
    clips = set(passport.clips)
    return {
        **passport.record(),
        "predictions": str(found.folder),
        "layout": found.first.layout,
        "repetitions": list(pairs.names) if any(found.samples) else [],
        "frames": scores.frames,
        "metrics": scores.numbers,
        "settings": {metric: configs[metric].model_dump(mode="json") for metric in scores.numbers},
        "per_unit": scores.per_unit,
        "left_out": scores.left_out,
        "unused": sorted(item.id for item in found.first.items if item.clip_id not in clips),
        "disagreements": [asdict(one) for one in pairs.disagreements],
        "versions": versions(),
        "commit": commit(),
    }


def _show(result: dict[str, Any]) -> None:
    from rich.table import Table

    from gesturebench.evaluators.registry import get_evaluator

    table = Table("metric", "value", "n", "better", box=None)
    for metric, numbers in result["metrics"].items():
        for column in get_evaluator(metric).columns:
            if numbers.get(column.key) is not None:
                value = f"{numbers[column.key]:.{max(column.decimals, 4)}f}"
                table.add_row(column.heading, value, str(numbers["n"]), column.direction)
    console().print(table)
    for line in _lines(result):
        console().print(line, markup=False, soft_wrap=True)
    for line in _warnings(result):
        console(stderr=True).print(line, markup=False, soft_wrap=True)


def _lines(result: dict[str, Any]):
    """What the numbers are about."""
    bound = result["bound"]
    count = "1 clip" if bound["clips"] == 1 else f"{bound['clips']} clips"
    count += f" in {bound['units']} units" if bound["units"] != bound["clips"] else ""
    truth = "the predictions' own ground truth" if bound["data"] is None else f"data {bound['data'][:12]}"
    kind = " (stand-in corpus, not BEAT2)" if result["is_standin"] else ""
    partial = "; partial: comparable with nothing else" if bound["partial"] else ""
    name = f"protocol {result['protocol']} ({result['protocol_hash']}, bound {result['bound_hash']})"
    yield f"{count}; {name}; {result['frames'] / 30:.1f} s; {truth}{kind}{partial}"
    if result["repetitions"]:
        yield _told_repetitions(result["repetitions"], result["metrics"])
    for metric, encoder in bound["encoders"].items():
        yield f"{metric} encoder {encoder}"


def _told_repetitions(names: list[str], metrics: dict[str, Any]) -> str:
    from gesturebench.evaluators.registry import get_evaluator

    takers = [metric for metric in metrics if get_evaluator(metric).takes_samples]
    if not takers:
        return f"{names[0]} alone was scored"
    others = f"; everything else of {names[0]} alone" if len(takers) < len(metrics) else ""
    return f"{', '.join(takers)} of {', '.join(names)}{others}"


def _warnings(result: dict[str, Any]):
    """What a reader should look into."""
    for metric, reason in result["left_out"].items():
        yield f"left out: {metric}: {reason}"
    folder, unused, wrong = result["predictions"], result["unused"], result["disagreements"]
    if unused:
        yield f"{folder}: left out {unused[0]}, {len(unused)} in all: no clips of the protocol"
    if wrong:
        first = wrong[0]
        how = "another length" if first["difference"] is None else f"by {first['difference']:.3g}"
        yield (
            f"{folder}: the ground truth saved with {len(wrong)} of {result['bound']['units']} units is not that of "
            f"the data, first in {first['unit']} ({how}); scored against the data"
        )
