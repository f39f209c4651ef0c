"""What the verbs of `gesturebench metrics` do: say what a metric is, and measure what it sees."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesturebench.common.errors import InputError, unknown_name
from gesturebench.console import console, progress_bar

if TYPE_CHECKING:
    from gesturebench.benchmarks.step import Step
    from gesturebench.common.corpus.clip import Clip
    from gesturebench.common.corpus.protocol import Protocol
    from gesturebench.common.corpus.store import ClipStore
    from gesturebench.common.corpus.units import Unit
    from gesturebench.evaluators.base import Evaluator
    from gesturebench.evaluators.interventions import Pool
    from gesturebench.results.card_text import Setting
    from gesturebench.results.metric_card import Card, Reading

SIZES = ("tiny", "demo", "paper")
WIDER = 8
"""Captured motion of this many times the damaged clips is drawn on for the sample-size curve."""

COMPANIONS: dict[str, tuple[tuple[str, str, dict[str, Any]], ...]] = {
    "bc": (("bc as published", "bc", {"variant": "legacy_folded"}), ("stress_beats", "stress_beats", {})),
}
"""Label, metric and settings of what stands beside a metric on its card."""

OWN_SETTINGS: dict[str, dict[str, Any]] = {"fgd": {"pairing": "cross_half"}}
"""Settings of cards alone: paired with itself the ground truth scores 0, whatever the sample."""


@dataclass(frozen=True)
class CardRequest:
    """What `gesturebench metrics card` was asked for; without `metric`, all of them; without `protocol`, the plain one
    of the data."""

    metric: str | None = None
    data: str = "standin:demo"
    body: str | None = None
    protocol: str | None = None
    splits: tuple[str, ...] = ("val", "test")
    clips: int = 24
    seed: int = 0
    size: str = "demo"
    runs: Path = Path("runs")
    out: Path | None = None


def show_metric(name: str) -> None:
    """What the columns of a metric declare."""
    from gesturebench.evaluators.registry import embedding_metric_names, get_embedding_metric, get_evaluator
    from gesturebench.results.card_text import about
    from gesturebench.results.metric_reference import notes_of

    screen, of_embeddings = console(), name in embedding_metric_names()
    metric = get_embedding_metric(name) if of_embeddings else get_evaluator(name)
    notes = ["of embeddings"] if of_embeddings else notes_of(metric)
    screen.print(f"{name}: {(metric.__doc__ or '').strip().splitlines()[0]}", markup=False, soft_wrap=True)
    for note in notes:
        screen.print(f"  {note}", markup=False)
    for column in metric.columns:
        screen.print(f"\n{column.heading} ({column.key})", markup=False)
        for heading, text in about(column).items():
            screen.print(f"  {heading}: {text}", markup=False, soft_wrap=True)


def renew_reference(page: Path | None) -> None:
    """Print what all metrics declare, or renew it in a page that has the marks for it."""
    from gesturebench.common.files import writing
    from gesturebench.results.metric_reference import reference, with_reference

    if page is None:
        print(reference())
        return
    if not page.is_file():
        raise InputError(f"{page}: no such file", expected="a page such as docs/metrics.md", remedy="correct the path")
    text = with_reference(page.read_text(encoding="utf-8"))
    with writing(page) as part:
        part.write_text(text, encoding="utf-8")


def make_cards(request: CardRequest) -> None:
    """Measure, print and write the cards that were asked for."""
    from gesturebench.common.files import check_output
    from gesturebench.evaluators.registry import embedding_metric_names, evaluator_names, get_evaluator

    names = [request.metric] if request.metric else evaluator_names()
    if request.metric in embedding_metric_names():
        raise InputError(
            f"no card of {request.metric}: it scores embeddings, not motion", expected=", ".join(evaluator_names())
        )
    for name in names:
        get_evaluator(name)
    if request.size not in SIZES:
        raise unknown_name("size", request.size, SIZES)
    if not request.splits:
        raise InputError("--splits names no split", expected="such as val,test", remedy="correct it")
    out = request.out or request.runs / "cards"
    check_output(out / "card.md")
    cards, failed, setting = measured(request, names)
    if request.metric in failed:
        raise InputError(f"no card of {request.metric}: {failed[request.metric]}")
    for card in cards.values():
        write_card(card, setting, out)
        _print_card(card, setting)
    for name, reason in failed.items():
        console(stderr=True).print(f"no card of {name}: {reason}", markup=False, soft_wrap=True)
    console().print(f"{len(cards)} cards in {out}", markup=False, soft_wrap=True)


def measured(request: CardRequest, names: list[str]) -> tuple[dict[str, "Card"], dict[str, str], "Setting"]:
    """Cards by metric, why a metric has none, and on what they were measured."""
    from gesturebench.benchmarks.source import find_source
    from gesturebench.common.corpus.protocol import get_protocol
    from gesturebench.common.threads import limit_threads

    source = find_source(request.data, request.body, request.runs)
    protocol = get_protocol(request.protocol or ("standin" if source.is_standin else "beat2"))
    limit_threads()  # loads torch, as the next lines do: only once the request is known to make sense
    from gesturebench.results.examination import examine
    from gesturebench.results.metric_card import make_card

    wanted = {name: (name, {}) for name in names}
    wanted |= {label: (metric, own) for name in names for label, metric, own in COMPANIONS.get(name, ())}
    store, evaluators, failed = _ready(wanted, source, protocol, request)
    pool, further = draw_clips(store, protocol, request)
    with progress_bar("metric cards") as progress:
        exam = examine(evaluators, pool, (_load(store, protocol, unit) for unit in further), len(further), progress)
    n = len(pool.clips)
    cards = {
        label: make_card(label, evaluators[label], found, n, request.seed) for label, found in exam.evidence.items()
    }
    setting = _setting(request, store, protocol, pool, len(further))
    shown = {name: _with_companions(cards, name) for name in names if name in cards}
    return shown, failed | exam.failed, setting


def _with_companions(cards: Mapping[str, "Card"], name: str) -> "Card":
    beside = tuple(cards[label] for label, _, _ in COMPANIONS.get(name, ()) if label in cards)
    return replace(cards[name], beside=beside)


def _ready(
    wanted: Mapping[str, tuple[str, dict[str, Any]]], source, protocol: "Protocol", request: CardRequest
) -> tuple["ClipStore", dict[str, "Evaluator"], dict[str, str]]:
    """The prepared data, evaluators by label with their trained parts, and why some cannot be had. What is not there
    yet is made by the same steps as in a grid."""
    from gesturebench.benchmarks.plan import encoder_step
    from gesturebench.common.corpus.store import ClipStore, store_version
    from gesturebench.evaluators.registry import get_evaluator

    data, parts, configs, failed = source.steps(store_version()), {}, {}, {}
    for label, (metric, own) in wanted.items():
        cls = get_evaluator(metric)
        settings = protocol.evaluators.get(metric, {}) | OWN_SETTINGS.get(metric, {}) | own
        configs[label] = cls.preset(request.size).updated(settings, f"protocol {protocol.name} {metric}")
        if cls.takes_samples:
            failed[label] = "it compares several motions for the same speech, of which there is one"
        elif cls.requires_truth and (not source.has_truth or protocol.cut.window):
            failed[label] = "it reads the truth of whole clips of the stand-in corpus"
        elif cls.fitted:
            parts[label] = encoder_step(cls, configs[label], data[-1])
    failed |= _run([*data, *parts.values()], data[-1], parts, request.runs)
    store = ClipStore.open(data[-1].folder(request.runs))
    evaluators = {
        label: get_evaluator(metric)(
            configs[label], store, parts[label].folder(request.runs) if label in parts else None
        )
        for label, (metric, _) in wanted.items()
        if label not in failed
    }
    return store, evaluators, failed


def _run(steps: list["Step"], prepare: "Step", parts: Mapping[str, "Step"], runs: Path) -> dict[str, str]:
    """Do what is missing; a trained part that fails costs its metric, everything else is an error."""
    from gesturebench.benchmarks.remembered import remember
    from gesturebench.benchmarks.runner import Runner
    from gesturebench.benchmarks.step import unique
    from gesturebench.benchmarks.view import view_for

    remember("metric cards", steps, runs)
    outcome = Runner(runs, 1, view_for(console(stderr=True))).run(unique(steps))
    labels = {step.key: label for label, step in parts.items()}
    for key, failure in outcome.failed.items():
        if key not in labels:
            raise InputError(failure.message) if failure.kind == "input" else RuntimeError(str(failure))
    return {labels[key]: str(failure) for key, failure in outcome.failed.items()}


def draw_clips(store: "ClipStore", protocol: "Protocol", request: CardRequest) -> tuple["Pool", list["Unit"]]:
    """The clips that are damaged, drawn from the splits, and the units of other clips that widen the samples."""
    from gesturebench.common.seeds import numpy_generator
    from gesturebench.evaluators.fgd import halves
    from gesturebench.evaluators.interventions import Pool

    ids = [i for split in request.splits for i in (store.ids if split == "all" else store.split(split))]
    rng = numpy_generator("card clips", request.seed)
    near = list(_units(store, protocol, ids))
    if not near:
        raise InputError(
            f"{store.path}: no clip of {protocol.who} in {', '.join(request.splits)} fits protocol {protocol.name!r}",
            remedy="choose another --protocol or --splits",
        )
    chosen = [near[i] for i in sorted(rng.permutation(len(near))[: request.clips].tolist())]
    taken = {unit.clip_id for unit in chosen}
    far = [unit for unit in _units(store, protocol, store.ids) if unit.clip_id not in taken]
    further = [far[i] for i in rng.permutation(len(far))[: (WIDER - 1) * len(chosen)].tolist()]
    clips = tuple(_load(store, protocol, unit) for unit in chosen)
    return Pool(clips, halves(store), request.seed), further


def _units(store: "ClipStore", protocol: "Protocol", ids: list[str] | tuple[str, ...]) -> Iterator["Unit"]:
    for clip_id in protocol.chosen(ids, store.path, partial=True):
        yield from protocol.cut.units(clip_id, store.n_frames(clip_id))


def _load(store: "ClipStore", protocol: "Protocol", unit: "Unit") -> "Clip":
    from gesturebench.common.corpus.units import referenced

    return referenced(store.clip(unit.clip_id).cut(unit.start, unit.stop), protocol.reference)


def _setting(request: CardRequest, store: "ClipStore", protocol: "Protocol", pool: "Pool", n_further: int) -> "Setting":
    from gesturebench.results.card_text import Setting

    frames = sum(clip.motion.n_frames for clip in pool.clips)
    facts = {
        "damaged clips": f"{len(pool.clips)} of the splits {', '.join(request.splits)}, {frames} frames, "
        f"{len(pool.speakers)} speakers, seed {request.seed}",
        "samples of captured motion": f"these and {n_further} further clips of any split",
        "body": request.body or "the one in the data folder",
        "data fingerprint": store.fingerprint,
        "trained parts": f"of size {request.size}",
        "code": _code(),
    }
    name = request.data if store.is_standin else str(store.info.get("source", request.data))
    return Setting(name, store.is_standin, f"{protocol.name} ({protocol.hash})", facts)


def _code() -> str:
    from gesturebench.benchmarks.record import commit, versions

    head = commit()
    where = f", commit {head['commit'][:12]}{' and local changes' if head['dirty'] else ''}" if head else ""
    return f"gesturebench {versions()['gesturebench']}{where}"


def write_card(card: "Card", setting: "Setting", out: Path) -> None:
    """`<label>.md`, `.json` and `.png` in the folder `out`."""
    from gesturebench.common.files import write_json, writing
    from gesturebench.results.card_picture import draw_card
    from gesturebench.results.card_text import as_json, markdown

    write_json(out / f"{card.label}.json", as_json(card, setting))
    contents = {".md": markdown(card, setting).encode(), ".png": draw_card(card, setting)}
    for ending, content in contents.items():
        with writing(out / f"{card.label}{ending}") as part:
            part.write_bytes(content)


MARKS = {"sees": "●", "blind": "○", "prefers": "✗"}


def _mark(reading: "Reading") -> str:
    return " " if reading.act.family == "ground truth" else MARKS.get(reading.verdict, " ")


def _print_card(card: "Card", setting: "Setting") -> None:
    from rich.table import Table

    from gesturebench.results.card_text import change_words, number_words, summary, title_of

    screen, columns = console(), card.all_columns
    screen.print(f"\n{card.label} on {setting.title}: {card.clips} clips, protocol {setting.protocol}", markup=False)
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("intervention", no_wrap=True)
    for owner, column in columns:
        table.add_column(title_of(owner, column), justify="right")
    for readings in zip(*(column.readings for _, column in columns)):
        cells = [
            f"{number_words(column, reading.value)} {change_words(reading):>5}{_mark(reading)}"
            for (_, column), reading in zip(columns, readings)
        ]
        table.add_row(readings[0].act.name, *cells)
    screen.print(table)
    screen.print("value, change in spreads; ● sees it, ○ blind, ✗ prefers it to the ground truth", markup=False)
    for owner, column in columns:
        for line in summary(column):
            screen.print(f"{title_of(owner, column)} {line}", markup=False, soft_wrap=True)
