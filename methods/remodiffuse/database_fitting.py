"""Making a phrase database: read the phrases of the training split, and rank them for each other once."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.device import device
from gesturebench.common.errors import InputError
from gesturebench.common.features.registry import FEATURES
from gesturebench.common.features.sentences import SentenceEncoder, sentence_encoder
from gesturebench.common.files import write_json, writing
from gesturebench.common.fitting import FitContext
from gesturebench.common.retrieval.anchors import interned
from gesturebench.methods.remodiffuse.database import NOBODY, RANKED
from gesturebench.methods.remodiffuse.database_report import described
from gesturebench.methods.remodiffuse.entries import REPORT, STORED, TOKENS, Entries
from gesturebench.methods.remodiffuse.motion import FPS, frames_of
from gesturebench.methods.remodiffuse.ranker import Ranker
from gesturebench.methods.remodiffuse.retrieval_components import PHRASES
from gesturebench.methods.remodiffuse.retrieval_config import RetrievalConfig
from gesturebench.methods.remodiffuse.spoken import SpokenPhrases

SPLIT = "train"
BLOCK = 1024
"""Texts whose tokens are in memory together."""


def fit_phrases(values: Mapping[str, Any], context: FitContext) -> None:
    """Write the entries; `context.place` holds the settings with the models themselves."""
    config = RetrievalConfig.parse(dict(context.place["retrieval"]), "retrieval")
    store, clips, parts = context.store, context.store.split(SPLIT), []
    for done, clip in enumerate(clips, start=1):
        parts.append(_columns(store, clip, done - 1, config))
        context.progress(done, len(clips))
    columns = _joined([part for part in parts if part])
    texts, columns["said"] = interned(columns.pop("texts"))
    rows = _write_tokens(list(texts), config, context)
    text = _encoder(config).pooled(list(texts))
    entries = Entries(clips=clips, texts=tuple(texts), rows=rows, text=text, **columns)
    entries.save(context.out)
    write_json(context.out / REPORT, described(entries, store, config))


def _columns(store: ClipStore, clip: str, number: int, config: RetrievalConfig) -> dict[str, Any]:
    """The phrases of a recording, without those that begin after its motion ended."""
    speech = store.speech(clip)
    rows = partial(store.feature, config.audio, clip) if config.audio in FEATURES else None
    spoken, total = SpokenPhrases(speech, config, rows), frames_of(store.n_frames(clip))
    places = np.array([phrase.frames(FPS) for phrase in spoken.phrases], np.int64).reshape(-1, 2)
    there = np.flatnonzero(places[:, 0] < total)
    if not len(there):
        return {}
    first, count = places[there].T
    return {
        "clip": np.full(len(there), number),
        "start_s": spoken.spans[there, 0],
        "end_s": spoken.spans[there, 1],
        "first": first,
        "frames": np.minimum(count, total - first),
        "words": spoken.lengths("words")[there],
        "onsets": spoken.lengths("onsets")[there],
        "has_content": spoken.has_content[there],
        "speaker": np.full(len(there), speech.speaker),
        "audio": spoken.audio[there],
        "texts": [spoken.texts[k] for k in there],
    }


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The columns of all recordings, one after another."""
    if not parts:
        raise InputError(
            f"split {SPLIT!r}: nobody says a word, the phrase database would be empty",
            expected="words in the training split",
            remedy="add the TextGrids, or set use_retrieval=false",
        )
    texts = [text for part in parts for text in part.pop("texts")]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} | {"texts": texts}


def _write_tokens(texts: list[str], config: RetrievalConfig, context: FitContext) -> np.ndarray:
    """(S + 1,) where the tokens of each text begin in the file."""
    ends = [0]
    with open(context.out / TOKENS, "wb") as file:
        for first in range(0, len(texts), BLOCK):
            for tokens in _encoder(config).tokens(texts[first : first + BLOCK]):
                file.write(tokens.astype(STORED).tobytes())
                ends.append(ends[-1] + len(tokens))
            context.progress(first, len(texts))
    return np.array(ends, np.int64)


def _encoder(config: RetrievalConfig) -> SentenceEncoder:
    return sentence_encoder(config.text, str(device()))


def fit_rankings(values: Mapping[str, Any], context: FitContext) -> None:
    """Write rankings.npy (N, ranked) int32: of each entry the ids that it would have, best first, `NOBODY` where no
    more may be had.
    """
    config = RetrievalConfig.parse(dict(values["retrieval"]), "retrieval")
    entries = Entries.load(context.upstream[PHRASES])
    ranker, rankings = Ranker(entries, config), np.full((len(entries), config.ranked), NOBODY, np.int32)
    for done, (speaker, ids) in enumerate(entries.of_speaker.items(), start=1):
        banned = [_banned(entries, config, entry) for entry in ids.tolist()]
        found = ranker.best(ranker.asked_by_entries(ids), speaker, config.ranked, banned)
        for entry, (best, _) in zip(ids, found):
            rankings[entry, : len(best)] = best
        context.progress(done, len(entries.of_speaker))
    with writing(context.out / RANKED) as part, open(part, "wb") as file:
        np.save(file, rankings)


def _banned(entries: Entries, config: RetrievalConfig, entry: int) -> np.ndarray:
    clip, text = entries.clips[entries.clip[entry]], entries.texts[entries.said[entry]]
    return entries.banned(config.exclude, clip, float(entries.start_s[entry]), text, int(entries.frames[entry]))
