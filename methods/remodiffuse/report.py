"""The retrieval report of a clip: which phrase asked for each window, and which entries it was given.

Plain data, in the form that `gesturebench retrieval` shows for every method. Times in seconds of a recording.
"""

from collections.abc import Iterator
from typing import Any

from gesturebench.common.corpus.clip import Speech
from gesturebench.common.retrieval.phrases import Phrase
from gesturebench.methods.remodiffuse.config import RemodiffuseConfig
from gesturebench.methods.remodiffuse.database import AskedSpeech, PhraseDatabase
from gesturebench.methods.remodiffuse.motion import FPS, STORE_FPS
from gesturebench.methods.remodiffuse.track import Track

ATTENDED = "attended to, not placed"
NOTHING_FOUND = "nothing found"


def explained(database: PhraseDatabase, config: RemodiffuseConfig, speech: Speech, seed: int) -> dict[str, Any]:
    """`clip`, `strategy`, `seed`, `duration_s`, `words`, and `windows` with their `points`: phrases with all that they
    rank, and in `found` whether the window attends to it."""
    return {
        "clip": speech.clip_id,
        "strategy": "phrases",
        "seed": seed,
        "duration_s": speech.duration_s,
        "words": [[word.text, word.start_s, word.end_s] for word in speech.words],
        "windows": list(_windows(database, config, speech)),
    }


def _windows(database: PhraseDatabase, config: RemodiffuseConfig, speech: Speech) -> Iterator[dict[str, Any]]:
    track, asked = Track(speech, config), database.asked_by(speech)
    for k in range(len(track.starts)):
        window = track.window(k)
        given = {hit.entry for hit in database.query(speech, window)}
        start_s = window.start / STORE_FPS
        points = [_point(database, asked, number, given) for number in database.asking(asked, window)]
        yield {"start_s": start_s, "end_s": start_s + window.length / STORE_FPS, "points": points}


def _point(database: PhraseDatabase, asked: AskedSpeech, number: int, given: set[int]) -> dict[str, Any]:
    phrase: Phrase = asked.phrases[number]
    ids, scores = asked.found[number]
    ranked = [
        _entry(database, int(entry), float(score), asked.text[number]) for entry, score in zip(ids, scores, strict=True)
    ]
    taken = next((match for match, entry in zip(ranked, ids) if int(entry) in given), None)
    return {
        "word": phrase.text,
        "kind": "phrase",
        "start_s": phrase.start_s,
        "end_s": phrase.end_s,
        "prominence": None,
        "ranked": ranked,
        "found": taken,
        "placed": None,
        "dropped": ATTENDED if taken else NOTHING_FOUND,
    }


def _entry(database: PhraseDatabase, entry: int, score: float, feature_E: Any) -> dict[str, Any]:
    """A phrase of the training split: its hybrid score, and `text`, the cosine of what is said."""
    entries, (clip, first, _) = database.entries, database.place(entry)
    said = int(entries.said[entry])
    start_s, end_s = float(entries.start_s[entry]), float(entries.end_s[entry])
    return {
        "clip": clip,
        "window_s": first / FPS,
        "word": entries.texts[said],
        "kind": "phrase",
        "start_s": start_s,
        "end_s": end_s,
        "what": entries.texts[said],
        "score": score,
        "terms": {"hybrid": score},
        "text": float(entries.text[said] @ feature_E),
    }
