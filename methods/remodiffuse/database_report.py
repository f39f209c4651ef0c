"""What a phrase database holds, and how much of the test speech it has heard before word for word."""

from typing import Any

import numpy as np

from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.errors import InputError
from gesturebench.common.retrieval.phrases import phrases_of
from gesturebench.methods.remodiffuse.entries import Entries, bare
from gesturebench.methods.remodiffuse.motion import FPS
from gesturebench.methods.remodiffuse.retrieval_config import RetrievalConfig

JUDGED = ("val", "test")
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def described(entries: Entries, store: ClipStore, config: RetrievalConfig) -> dict[str, Any]:
    """Counts of entries, quantiles of their lengths, and of each split that models are judged by, its phrases with
    whether the same words stand in the database, of any speaker (`heard`) and of the same one (`heard_of_speaker`)."""
    speakers = {int(speaker): len(ids) for speaker, ids in sorted(entries.of_speaker.items())}
    return {
        "entries": len(entries),
        "recordings": len(entries.of_clip),
        "distinct_texts": len(entries.of_words),
        "function_words_alone": int((~entries.has_content).sum()),
        "per_speaker": speakers,
        "quantiles": list(QUANTILES),
        "seconds": _quantiles(entries.end_s - entries.start_s),
        "frames": _quantiles(entries.frames),
        "words": _quantiles(entries.words),
        "onsets": _quantiles(entries.onsets),
        "frame_rate": FPS,
        **{split: _heard_before(split, entries, store, config) for split in JUDGED},
    }


def _quantiles(values: np.ndarray) -> list[float]:
    return np.quantile(values, QUANTILES).round(3).tolist()


def _heard_before(split: str, entries: Entries, store: ClipStore, config: RetrievalConfig) -> dict[str, Any]:
    rows = []
    for clip in _clips(store, split):
        speech = store.speech(clip)
        for phrase in phrases_of(speech.words, config.phrases):
            same = entries.of_words.get(bare(phrase.text), ())
            own = any(entries.speaker[entry] == speech.speaker for entry in same)
            rows.append(
                {
                    "clip": clip,
                    "start_s": phrase.start_s,
                    "end_s": phrase.end_s,
                    "text": phrase.text,
                    "heard": bool(len(same)),
                    "heard_of_speaker": own,
                }
            )
    shares = {name: sum(row[name] for row in rows) / max(1, len(rows)) for name in ("heard", "heard_of_speaker")}
    return {"phrases": rows, "count": len(rows), "share": shares}


def _clips(store: ClipStore, split: str) -> tuple[str, ...]:
    try:
        return store.split(split)
    except InputError:  # a corpus without this split: nothing to report
        return ()
