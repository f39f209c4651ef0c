"""RAG-Gesture's retrieval: words matched to prominence, ranked windows, and where a retrieved gesture goes."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from gesturebench.common.corpus.clip import ProminentWord, Relation
from gesturebench.common.corpus.windows import Window
from gesturebench.common.retrieval.database import Excerpt
from gesturebench.common.retrieval.prominence import prominence_of
from gesturebench.methods.rag_gesture.config import RetrievalConfig
from gesturebench.methods.rag_gesture.layout import RETRIEVED_PARTS, TokenLayout
from gesturebench.methods.rag_gesture.placement import Grid, Placement, place
from gesturebench.methods.rag_gesture.strategies import Hit, rank_by_discourse
from tests.parity.frame import Check, Golden, case, near, same

NAME = re.compile(r"(.+)/(\d+)")
KEPT = 10
"""Length of the reference's ranked lists."""


def told_apart(text: str) -> str:
    """Capitals as 0 and the small letter: we match words whatever their case, the reference does not."""
    return re.sub("[A-Z]", lambda match: "0" + match[0].lower(), text)


def as_written(text: str) -> str:
    """The inverse of `told_apart`."""
    return re.sub("0([a-z])", lambda match: match[1].upper(), text)


def prominent(rows: list[list[Any]]) -> list[ProminentWord]:
    return [ProminentWord(told_apart(word), start, end, value, 0.0) for word, start, end, value in rows]


def values(ours: list[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in ours]


@case("rag_gesture/retrieval_helpers.json")
def word_matching(golden: Golden) -> Iterator[Check]:
    """Not built: `word_similarity`, `llm_parsing`."""
    for k, given in enumerate(golden.document["map_connectives_to_prominence"]):
        entries = [told_apart(entry) for entry in given["connectives"]]
        found = [given["out"][str(index)] for index in range(len(entries))]
        ours = values(prominence_of(entries, prominent(given["prominence"])))
        yield near(f"map_connectives_to_prominence/{k}", ours, values([row and row[1] for row in found]))


@case("rag_gesture/retrieval.json")
def rankings(golden: Golden) -> Iterator[Check]:
    """Ranked lists and their best relations of the discourse strategy, and the prominence of the stored windows.

    We leave out all windows of the query's clip, the reference only the query itself: lists are compared as for a query
    from elsewhere, and the first of them without the clip. Not built: `gesture_type`, `llm`, `llm_parsed`, the stored
    views beside prominence (there is no store of views), and the choice of every 15th window.
    """
    data, (entries, queries) = golden.document, library(golden)
    views = data["database_views"]["prominence"]
    for entry in entries:
        name = name_of(entry)
        theirs = [views[name][str(k)] for k in range(len(entry.relations))]
        yield near(f"prominence/{name}", values(list(entry.prominence)), values([row and row[1] for row in theirs]))
    for k, (query, result) in enumerate(zip(queries, data["results"], strict=True)):
        for point, names in result["discourse"]["ranked"].items():
            yield from ranked_list(f"{k}/{point}", query, int(point), entries, names, result["discourse"])


def ranked_list(
    place: str, query: Excerpt, point: int, entries: list[Excerpt], names: list[str], result: dict[str, Any]
) -> Iterator[Check]:
    stranger = replace(query, window=replace(query.window, clip_id="not in the database"))
    rows = ranked(stranger, point, entries, KEPT)
    yield same(f"ranked/{place}", [name_of(entry) for entry, _ in rows], names)
    bounds = [result["db_bounds"][str(point)][name] for name in names]
    yield same(f"db_bounds/{place}", [bound(relation) for _, relation in rows], bounds)
    others = [name for name in names if NAME.fullmatch(name)[1] != query.window.clip_id]
    if others:
        first, _ = ranked(query, point, entries, KEPT)[0]
        yield same(f"first of another clip/{place}", name_of(first), others[0])


@case("rag_gesture/retrieval_text_features.npz")
def text_ties(golden: Golden) -> Iterator[Check]:
    """The file holds inputs alone: the word vectors that order equal scores in `retrieval.json`."""
    yield from rankings(Golden(golden.folder / "retrieval.json"))


def library(golden: Golden) -> tuple[list[Excerpt], list[Excerpt]]:
    """The windows of the reference's database and the queries."""
    data, text = golden.document, Golden(golden.folder / "retrieval_text_features.npz")
    samples = {sample["sample_name"]: sample for sample in data["database_samples"]}
    entries = [as_excerpt(samples[name], text[f"db/{name}"]) for name in data["database_keys_after_stratification"]]
    return entries, [as_excerpt(query, text[f"query/{k}"]) for k, query in enumerate(data["queries"])]


def as_excerpt(sample: dict[str, Any], text: np.ndarray) -> Excerpt:
    """Rows of `discourse`: connective, sense, texts of both arguments, and the times."""
    relations = tuple(Relation(told_apart(row[0]), row[1], *row[4:]) for row in sample["discourse"])
    prominence = prominence_of([relation.connective for relation in relations], prominent(sample["prominence"]))
    clip, index = NAME.fullmatch(sample["sample_name"]).groups()
    return Excerpt(Window(clip, int(index), 0), sample["speaker"], relations, tuple(prominence), text)


def ranked(query: Excerpt, point: int, entries: list[Excerpt], keep: int) -> list[tuple[Excerpt, Relation]]:
    rows = rank_by_discourse(query.relations[point], query.prominence[point], query, entries, keep)
    return [(entry, relation) for entry, relation, _ in rows]


def name_of(entry: Excerpt) -> str:
    return f"{entry.window.clip_id}/{entry.window.start}"


def bound(relation: Relation) -> list[Any]:
    span = relation.connective_start_s, relation.connective_end_s
    return [as_written(relation.connective), relation.sense, *(round(s, 3) for s in span)]


@case("rag_gesture/placement.json")
def placement(golden: Golden) -> Iterator[Check]:
    """The cases of the discourse strategy. Not built: the other strategies' narrower margins, and the stretch of motion
    to display beside a result (`raw_motion_ch0_every5`)."""
    document = golden.document
    grid = Grid(document["max_seq_len"], document["fps"], document["frame_chunk"])
    layout, samples = TokenLayout(document["latent_slots"]), document["sample_order"]
    for k, given in enumerate(document["cases"]):
        if given["method"] == "discourse":
            placements = placed(given, grid)
            points = given["query_startends"]
            yield same(f"{k}/query_startends", [list(p.target) for p in placements], list(points.values()))
            retrieved = [given["retr_startends"][point] for point in points]
            yield same(f"{k}/retr_startends", [list(p.source) for p in placements], retrieved)
            yield from placed_latents(f"{k}", given, placements, layout, samples, grid.chunk)


def placed(given: dict[str, Any], grid: Grid) -> list[Placement]:
    config = RetrievalConfig()
    hits = [
        Hit(Window(q["sample"], 0, 0), tuple(q["retrieved"][2:]), tuple(q["query"][2:]), q["query"][0], 0.0)
        for q in given["queries"]
    ]
    return place(hits, grid, config.pad_before_s, config.pad_after_s)


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
