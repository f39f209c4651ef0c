"""RAG-Gesture's retrieval: words matched to prominence, ranked windows, and where a retrieved gesture goes."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from gesturebench.common.corpus.clip import ProminentWord, Relation, Word
from gesturebench.common.corpus.windows import Window
from gesturebench.common.llm.parsing import parse
from gesturebench.common.retrieval.database import Anchor, Database, Excerpt
from gesturebench.common.retrieval.labels import Label
from gesturebench.common.retrieval.prominence import prominence_of
from gesturebench.common.retrieval.word_similarity import word_similarity
from gesturebench.methods.rag_gesture.config import RELEASED_SCORING, RetrievalConfig
from gesturebench.methods.rag_gesture.layout import RETRIEVED_PARTS, TokenLayout
from gesturebench.methods.rag_gesture.placement import Grid, Placement, place
from gesturebench.methods.rag_gesture.strategies import Hit, asks, rank, spoken
from tests.parity.frame import Check, Golden, case, near, same

NAME = re.compile(r"(.+)/(\d+)")
STRATEGIES = ("discourse", "gesture_type", "llm")


def prominent(rows: list[list[Any]]) -> tuple[ProminentWord, ...]:
    return tuple(ProminentWord(*row, 0.0) for row in rows)


def values(found: list[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in found]


def stored_values(stored: dict[str, Any]) -> list[float]:
    """The file's map from a position to (word, prominence) or None."""
    return values([row and row[1] for row in stored.values()])


@case("rag_gesture/retrieval_helpers.json")
def word_matching(golden: Golden) -> Iterator[Check]:
    for k, given in enumerate(golden.document["map_connectives_to_prominence"]):
        ours = prominence_of(given["connectives"], prominent(given["prominence"]), fold_case=False)
        yield near(f"map_connectives_to_prominence/{k}", values(ours), stored_values(given["out"]))
    for given in golden.document["word_similarity"]:
        name = f"word_similarity/{given['a']}/{given['b']}"
        yield near(name, word_similarity(given["a"], given["b"]), given["out"], 1e-9)
    for k, given in enumerate(golden.document["llm_parsing"]):
        yield same(f"llm_parsing/{k}", named(given["text"]), [[pair["word"], pair["name"]] for pair in given["out"]])


def named(reply: str) -> list[list[str]]:
    return [list(pair) for pair in parse(reply, "released").words]


@case("rag_gesture/retrieval.json")
def rankings(golden: Golden) -> Iterator[Check]:
    """What the database holds of every window, and of every query what is asked for, the ranked lists, what is matched
    in each window, and the first that is not the query itself. The reference's choice of every 15th window is taken as
    given."""
    data, (entries, queries) = golden.document, library(golden)
    database = Database(entries)
    yield from views(data["database_views"], entries)
    for k, (given, query) in enumerate(zip(data["queries"], queries, strict=True)):
        result = data["results"][k]
        parsed = [[pair["word"], pair["name"]] for pair in result["llm_parsed"]]
        yield same(f"{k}/llm_parsed", named(given["llm_output"]), parsed)
        for strategy in STRATEGIES:
            config = RetrievalConfig(strategy=strategy, **RELEASED_SCORING)
            reply = parse(given["llm_output"], "released")
            asked = spoken(reply.words, query, config) if strategy == "llm" else asks(query, config)
            yield from query_points(f"{k}/{strategy}", asked, query, database, config, result[strategy])


def views(stored: dict[str, Any], entries: list[Excerpt]) -> Iterator[Check]:
    for entry in entries:
        name = name_of(entry.window)
        yield near(f"prominence/{name}", values(entry.prominence), stored_values(stored["prominence"][name]))
        yield near(f"gestprom/{name}", values(entry.label_prominence), stored_values(stored["gestprom"][name]))
        senses = [entry.speaker, *([relation.sense, relation.connective] for relation in entry.relations)]
        yield same(f"sense/{name}", str(senses), str(stored["sense"][name]))


def query_points(
    place: str,
    asked: list[Anchor],
    query: Excerpt,
    database: Database,
    config: RetrievalConfig,
    result: dict[str, Any],
) -> Iterator[Check]:
    yield same(f"{place}/query_bounds", [bound(a, lower=True) for a in asked], list(result["query_bounds"].values()))
    stranger = replace(query, window=replace(query.window, clip_id="not in the database"))
    anchors = (database.connectives if config.strategy == "discourse" else database.gestures).anchors
    for point, names in result["ranked"].items():
        matches = rank(asked[int(point)], stranger, database, config)
        yield same(f"{place}/{point}/ranked", [name_of(database.windows[m.entry]) for m in matches], names)
        bounds = [result["db_bounds"][point][name] for name in names]
        yield same(f"{place}/{point}/db_bounds", [bound(anchors[m.row]) for m in matches], bounds)
        others = rank(asked[int(point)], query, database, config)[:1]
        first = [name_of(database.windows[match.entry]) for match in others]
        yield same(f"{place}/{point}/top1_excluding_self", first, result["top1_excluding_self"][point])


@case("rag_gesture/retrieval_text_features.npz")
def text_ties(golden: Golden) -> Iterator[Check]:
    """The file holds inputs alone: the token features that order equal scores in `retrieval.json`."""
    yield from rankings(Golden(golden.folder / "retrieval.json"))


def library(golden: Golden) -> tuple[list[Excerpt], list[Excerpt]]:
    """The windows of the reference's database and the queries."""
    data, text = golden.document, Golden(golden.folder / "retrieval_text_features.npz")
    samples = {sample["sample_name"]: sample for sample in data["database_samples"]}
    entries = [as_excerpt(samples[name], text[f"db/{name}"]) for name in data["database_keys_after_stratification"]]
    return entries, [as_excerpt(query, text[f"query/{k}"]) for k, query in enumerate(data["queries"])]


def as_excerpt(sample: dict[str, Any], text: np.ndarray) -> Excerpt:
    """Rows of `discourse`: connective, sense, texts of both arguments, and the times."""
    relations = tuple(Relation(row[0], row[1], *row[4:]) for row in sample["discourse"])
    labels = tuple(Label(row["name"], row["start"], row["end"], row["word"]) for row in sample["gesture_labels"])
    rows = prominent(sample["prominence"])
    clip, index = NAME.fullmatch(sample["sample_name"]).groups()
    return Excerpt(
        Window(clip, int(index), 0),
        sample["speaker"],
        relations,
        tuple(prominence_of([relation.connective for relation in relations], rows, fold_case=False)),
        text,
        labels=labels,
        label_prominence=tuple(prominence_of([label.word for label in labels], rows, fold_case=False)),
        words=tuple(Word(spelled, *times) for times, spelled in sample["text_times"]),
        prominent=rows,
    )


def name_of(window: Window) -> str:
    return f"{window.clip_id}/{window.start}"


def bound(anchor: Anchor, *, lower: bool = False) -> list[Any]:
    word = anchor.word.lower() if lower else anchor.word
    return [word, anchor.kind, round(anchor.start_s, 3), round(anchor.end_s, 3)]


@case("rag_gesture/placement.json")
def placement(golden: Golden) -> Iterator[Check]:
    document = golden.document
    grid = Grid(document["max_seq_len"], document["fps"], document["frame_chunk"])
    layout, samples = TokenLayout(document["latent_slots"]), document["sample_order"]
    for k, given in enumerate(document["cases"]):
        placements = placed(given, grid)
        points = given["query_startends"]
        yield same(f"{k}/query_startends", [list(p.target) for p in placements], list(points.values()))
        retrieved = [given["retr_startends"][point] for point in points]
        yield same(f"{k}/retr_startends", [list(p.source) for p in placements], retrieved)
        yield from placed_latents(f"{k}", given, placements, layout, samples, grid.chunk)
        shown = displayed(placements, samples, grid)
        yield same(f"{k}/raw_motion_ch0_every5", shown[::5], given["raw_motion_ch0_every5"])


def placed(given: dict[str, Any], grid: Grid) -> list[Placement]:
    config = RetrievalConfig()
    hits = [
        Hit(
            Window(q["sample"], 0, 0), tuple(q["retrieved"][2:]), tuple(q["query"][2:]), q["query"][0], 0.0,
            labelled=given["method"] != "discourse",
        )
        for q in given["queries"]
    ]  # fmt: skip
    return place(hits, grid, config.pad_before_s, config.pad_after_s)


def displayed(placements: list[Placement], samples: list[str], grid: Grid) -> np.ndarray:
    """(F,) the file's made-up motion, 1000 (sample + 1) + frame, of what was placed."""
    shown = np.zeros(grid.frames)
    for p in placements:
        frames = grid.chunk * p.source[0] + np.arange(grid.chunk * (p.target[1] - p.target[0]))
        first = grid.chunk * p.target[0]
        shown[first : first + len(frames)] = 1000 * (samples.index(p.window.clip_id) + 1) + frames
    return shown


def placed_latents(
    name: str,
    given: dict[str, Any],
    placements: list[Placement],
    layout: TokenLayout,
    samples: list[str],
    chunk: int,
) -> Iterator[Check]:
    """Upper body and hands take the retrieved latents; the mask of all parts is kept beside."""
    latents, mask, whole = torch.zeros(layout.tokens), torch.zeros(layout.tokens), torch.zeros(layout.tokens)
    for p in placements:
        source = made_up_latents(samples.index(p.window.clip_id), layout, chunk)
        target = layout.tokens_of(*p.target, RETRIEVED_PARTS)
        latents[target] = source[layout.tokens_of(*p.source, RETRIEVED_PARTS)]
        mask[target] = 1
        whole[layout.tokens_of(*p.target, ("upper", "hands", "face", "lower"))] = 1
    yield same(f"{name}/raw_motion_latents_ch0", latents, given["raw_motion_latents_ch0"])
    yield same(f"{name}/re_mask", mask, given["re_mask"])
    yield same(f"{name}/raw_latent_mask", whole, given["raw_latent_mask"])


def made_up_latents(sample: int, layout: TokenLayout, chunk: int) -> torch.Tensor:
    """(T,) the file's `fake_latent`: 10 (1000 (sample + 1) + slot chunk) + part."""
    slots = 1000.0 * (sample + 1) + chunk * torch.arange(layout.slots)
    return layout.join([(10 * slots + part)[:, None] for part in range(4)])[:, 0]
