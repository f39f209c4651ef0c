"""RAG-Gesture's windows of an annotated recording: words, relations, labels, prominence, scores, and word vectors
from token vectors.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from gesturebench.common.corpus.annotations import read_relations, read_tokens
from gesturebench.common.corpus.clip import SAMPLE_RATE, GestureLabel, ProminentWord, Speech
from gesturebench.common.corpus.cutting import WINDOWS, cuts
from gesturebench.common.corpus.names import dense_speaker
from gesturebench.common.corpus.windows import Window
from gesturebench.common.features.frames import semantic_scores
from gesturebench.common.features.speech_encoder import summed_layers
from gesturebench.common.features.text_encoder import TextEncoderConfig, tokenised, word_means
from gesturebench.common.features.window_config import RATE, WindowEncoding
from gesturebench.common.features.window_encoder import Heard
from gesturebench.common.features.window_text import WindowText
from gesturebench.common.motion.skeleton import PART_JOINTS
from gesturebench.common.retrieval.database import excerpt
from tests.parity.frame import Check, Golden, case, near, same


@case("rag_gesture/dataset_text.json")
def dataset(golden: Golden) -> Iterator[Check]:
    """Not compared: what only repeats an input (names, keys, speaker), and the texts of a relation's
    arguments, which a stored window does not hold here."""
    document = golden.document
    for part, joints in document["joint_indices"].items():
        yield same(f"joint_indices/{part}", PART_JOINTS[part], joints)
    speakers = document["speaker_index_map"]
    yield same("speaker_index_map", [dense_speaker(int(n)) for n in speakers], list(speakers.values()))
    for k, sentence in enumerate(document["word_vectors"]):
        yield from sentence_vectors(f"word_vectors/{k}", sentence)
    recording = as_speech(document["file"], document["fps"])
    for name, listed in document["windows"].items():
        yield from windows(name, document, listed, recording)


def as_speech(file: dict[str, Any], fps: int) -> Speech:
    """The recording as the reader would have it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "relations.json"
        path.write_text(json.dumps(file["annotation"]), encoding="utf-8")
        relations, tokens = read_relations(path), read_tokens(path)
    labels = tuple(GestureLabel(name, start, end, score, word) for name, start, end, _, score, word in file["sem"])
    silence = np.zeros(file["frames"] * SAMPLE_RATE // fps, np.float32)
    rated = tuple(ProminentWord(*row) for row in file["prominence"])
    return Speech("recording", silence, 1, relations=relations, labels=labels, prominence=rated, tokens=tokens)


def windows(name: str, document: dict[str, Any], listed: dict[str, Any], speech: Speech) -> Iterator[Check]:
    """The rule is RAG-Gesture's with the stride that was used; `test_full` is one window."""
    fps, n_frames, rows = document["fps"], document["file"]["frames"], listed["rows"]
    length = None if name == "test_full" else rows[0]["n_frames"]
    rule = WINDOWS["rag_gesture"].updated({"length": length, "stride": listed["stride_used"], "fps": fps})
    found = cuts(rule, n_frames, n_frames * SAMPLE_RATE // fps)
    yield same(f"{name}/first_frame", [cut.start for cut in found], [row["first_frame"] for row in rows])
    yield same(f"{name}/n_frames", [cut.stop - cut.start for cut in found], [row["n_frames"] for row in rows])
    scores = semantic_scores(speech.labels, n_frames, fps)
    heard = Heard.of(speech, WindowEncoding())
    for cut, row in zip(found, rows, strict=True):
        place, step = f"{name}/{row['sample_name']}", RATE // fps
        window = Window(speech.clip_id, cut.start * step, (cut.stop - cut.start) * step)
        yield near(f"{place}/sem_score_every10", scores[cut.start : cut.stop : 10], row["sem_score_every10"])
        yield from words(place, heard, window, row)
        yield from annotations(place, speech, window, row)


def words(place: str, heard: Heard, window: Window, row: dict[str, Any]) -> Iterator[Check]:
    """Tokens of one interval are one word; each word's made-up vector holds its frames."""
    said = heard.text(window.start, window.length)
    yield same(f"{place}/raw_word", " ".join(word.text for word in said), row["raw_word"])
    vectors = np.array([[len(w.text), index, ord(w.text[0])] for index, w in enumerate(said)], np.float32)
    ours = WindowText(said, vectors, np.arange(len(said))).frames(row["n_frames"])
    runs = row["word_feature_runs"]
    theirs = np.zeros_like(ours)
    for first, vector in runs:
        theirs[first:] = vector
    yield same(f"{place}/word_feature_runs", ours, theirs)


def annotations(place: str, speech: Speech, window: Window, row: dict[str, Any]) -> Iterator[Check]:
    """Relations are connective, sense, texts of both arguments, and the times."""
    found, theirs = excerpt(speech, window), row["discourse"]
    yield same(
        f"{place}/relations", [[r.connective, r.sense] for r in found.relations], [names[:2] for names in theirs]
    )
    ours = [[r.start_s, r.end_s, r.connective_start_s, r.connective_end_s] for r in found.relations]
    yield near(f"{place}/relation times", ours, [times[4:] for times in theirs], 1e-9)
    labels = row["gesture_labels"]
    yield same(
        f"{place}/labels", [[x.kind, x.word] for x in found.labels], [[x["name"], x["word"].strip()] for x in labels]
    )
    ours = [[label.start_s, label.end_s] for label in found.labels]
    yield near(f"{place}/label times", ours, [[label["start"], label["end"]] for label in labels], 1e-9)
    rated = row["prominence"]
    yield same(f"{place}/prominent words", [r.text for r in found.prominent], [word for word, *_ in rated])
    ours = [[r.start_s, r.end_s, r.prominence] for r in found.prominent]
    yield near(f"{place}/prominence", ours, [values for _, *values in rated], 1e-9)


def sentence_vectors(place: str, sentence: dict[str, Any]) -> Iterator[Check]:
    """The published sum of layers, and each word's mean over the tokens of its pieces."""
    hidden = SimpleNamespace(hidden_states=torch.tensor(sentence["hidden_states"], dtype=torch.float64)[:, None])
    summed = summed_layers(hidden, TextEncoderConfig.model_fields["layers"].default)[0].numpy()
    yield near(f"{place}/text_feature", summed, sentence["text_feature"])
    spelled = sentence["sentence"].split()
    tokenizer = tokenizer_of(sentence["tokens"])
    ids, owners = tokenised(tokenizer, spelled)
    yield same(f"{place}/tokens", tokenizer.convert_ids_to_tokens(ids), sentence["tokens"])
    yield near(f"{place}/word_vectors", word_means(summed, owners, len(spelled)), sentence["word_vectors"])


def tokenizer_of(tokens: list[str]) -> Any:
    """BERT's own, with a vocabulary of nothing else."""
    import transformers

    vocabulary = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *tokens])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "vocab.txt"
        path.write_text("\n".join(vocabulary), encoding="utf-8")
        return transformers.BertTokenizerFast(str(path), do_lower_case=False)
