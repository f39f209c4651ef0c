"""RAG-Gesture's windows of an annotated recording: words, relations, scores, and word vectors from token vectors."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from gesturebench.common.corpus.annotations import read_relations
from gesturebench.common.corpus.clip import SAMPLE_RATE, GestureLabel, Relation, Speech, Word
from gesturebench.common.corpus.cutting import WINDOWS, cuts
from gesturebench.common.corpus.names import dense_speaker
from gesturebench.common.corpus.windows import Window
from gesturebench.common.features.frames import semantic_scores
from gesturebench.common.features.speech_encoder import summed_layers
from gesturebench.common.features.text_encoder import TextEncoderConfig, merged, placed, word_means
from gesturebench.common.motion.skeleton import PART_JOINTS
from gesturebench.common.retrieval.database import STORE_FPS, excerpt
from tests.parity.frame import Check, Golden, case, near, same


@case("rag_gesture/dataset_text.json")
def dataset(golden: Golden) -> Iterator[Check]:
    """Not compared: what only repeats an input (names, keys, prominence rows, speaker); what a stored window does not
    hold here: gesture labels by class, texts of a relation's arguments, windows of words with their times."""
    document = golden.document
    for part, joints in document["joint_indices"].items():
        yield same(f"joint_indices/{part}", PART_JOINTS[part], joints)
    speakers = document["speaker_index_map"]
    yield same("speaker_index_map", [dense_speaker(int(n)) for n in speakers], list(speakers.values()))
    for k, sentence in enumerate(document["word_vectors"]):
        yield from sentence_vectors(f"word_vectors/{k}", sentence)
    recording = as_speech(document["file"])
    for name, listed in document["windows"].items():
        yield from windows(name, document, listed, recording)


def as_speech(file: dict[str, Any]) -> Speech:
    tokens = [token for sentence in file["annotation"]["sentences"] for token in sentence["tokens"]]
    words = tuple(Word(t["surface"].replace(" ", ""), t["startSec"], t["endSec"]) for t in tokens)
    labels = tuple(GestureLabel(name, start, end, score, word) for name, start, end, _, score, word in file["sem"])
    empty = np.zeros(0, np.float32)
    return Speech("recording", empty, 1, relations=relations(file["annotation"]), labels=labels, transcript=words)


def relations(annotation: dict[str, Any]) -> tuple[Relation, ...]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "relations.json"
        path.write_text(json.dumps(annotation), encoding="utf-8")
        return read_relations(path)


def windows(name: str, document: dict[str, Any], listed: dict[str, Any], speech: Speech) -> Iterator[Check]:
    """The rule is RAG-Gesture's with the stride that was used; `test_full` is one window."""
    fps, n_frames, rows = document["fps"], document["file"]["frames"], listed["rows"]
    length = None if name == "test_full" else rows[0]["n_frames"]
    rule = WINDOWS["rag_gesture"].updated({"length": length, "stride": listed["stride_used"], "fps": fps})
    found = cuts(rule, n_frames, n_frames * SAMPLE_RATE // fps)
    yield same(f"{name}/first_frame", [cut.start for cut in found], [row["first_frame"] for row in rows])
    yield same(f"{name}/n_frames", [cut.stop - cut.start for cut in found], [row["n_frames"] for row in rows])
    scores = semantic_scores(speech.labels, n_frames, fps)
    for cut, row in zip(found, rows, strict=True):
        place = f"{name}/{row['sample_name']}"
        yield near(f"{place}/sem_score_every10", scores[cut.start : cut.stop : 10], row["sem_score_every10"])
        yield from words(place, speech, cut.times(fps), row, fps)
        yield from discourse(place, speech, cut.times(fps), row)


def words(place: str, speech: Speech, times: tuple[float, float], row: dict[str, Any], fps: int) -> Iterator[Check]:
    """Tokens of one interval are one word; each word's made-up vector holds its frames."""
    start, end = times
    inside = [w for w in speech.transcript if w.start_s >= start and w.end_s <= end]
    joined = merged([Word(w.text, w.start_s - start, w.end_s - start) for w in inside])
    yield same(f"{place}/raw_word", " ".join(word.text for word in joined), row["raw_word"])
    vectors = np.array([[len(w.text), index, ord(w.text[0])] for index, w in enumerate(joined)], np.float32)
    ours = placed(joined, vectors, row["n_frames"], fps)
    runs = row["word_feature_runs"]
    theirs = np.zeros_like(ours)
    for first, vector in runs:
        theirs[first:] = vector
    yield same(f"{place}/word_feature_runs", ours, theirs)


def discourse(place: str, speech: Speech, times: tuple[float, float], row: dict[str, Any]) -> Iterator[Check]:
    """Rows: connective, sense, texts of both arguments, and the times."""
    start, end = (int(seconds * STORE_FPS) for seconds in times)
    found = excerpt(speech, Window(speech.clip_id, start, end - start)).relations
    theirs = row["discourse"]
    yield same(f"{place}/relations", [[r.connective, r.sense] for r in found], [names[:2] for names in theirs])
    ours = [[r.start_s, r.end_s, r.connective_start_s, r.connective_end_s] for r in found]
    yield near(f"{place}/relation times", ours, [times[4:] for times in theirs], 1e-9)


def sentence_vectors(place: str, sentence: dict[str, Any]) -> Iterator[Check]:
    """The published sum of layers, and each word's mean over the tokens of its pieces."""
    hidden = SimpleNamespace(hidden_states=torch.tensor(sentence["hidden_states"], dtype=torch.float64)[:, None])
    summed = summed_layers(hidden, TextEncoderConfig.model_fields["layers"].default)[0].numpy()
    yield near(f"{place}/text_feature", summed, sentence["text_feature"])
    spelled = sentence["sentence"].split()
    ours = word_means(summed, word_of_token(sentence, spelled), len(spelled))
    yield near(f"{place}/word_vectors", ours, sentence["word_vectors"])


def word_of_token(sentence: dict[str, Any], spelled: list[str]) -> list[int | None]:
    """Which blank-separated word a token belongs to: `word_ids` count pieces, several of which may spell one word."""
    pieces: dict[int, str] = {}
    for token, piece in zip(sentence["tokens"], sentence["word_ids"], strict=True):
        if piece is not None:
            pieces[piece] = pieces.get(piece, "") + token.removeprefix("##")
    owner, word, rest = {}, 0, spelled[0]
    for piece, text in pieces.items():
        if not rest:
            word += 1
            rest = spelled[word]
        owner[piece], rest = word, rest[len(text) :]
    return [None if piece is None else owner[piece] for piece in sentence["word_ids"]]
