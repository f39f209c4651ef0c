"""A trained evaluator on the disk: weights, what they are and what they were found to be worth.

`weights.safetensors`; `embedding.json` with the version, the configuration, the widths of tokens, the fingerprint of
the data, the clips it was trained on and the validity gate; `transcripts.npy` (M, D) float16, the sentence features of
the training units.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gesturebench.common.checkpoint import WEIGHTS, load_weights, save_weights
from gesturebench.common.embedding.config import VERSION, EmbeddingConfig
from gesturebench.common.embedding.gate import Gate
from gesturebench.common.embedding.towers import SpeechMotion
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, sha256_file, write_json, writing

RECORD, TRANSCRIPTS = "embedding.json", "transcripts.npy"
_REMEDY = "delete its folder and run again"


def save_embedding(
    folder: Path, model: SpeechMotion, gate: Gate, transcripts_MD: np.ndarray, facts: Mapping[str, Any]
) -> None:
    save_weights(model, folder)
    with writing(folder / TRANSCRIPTS) as part, part.open("wb") as file:
        np.save(file, transcripts_MD.astype(np.float16))
    widths = {"text": model.speech.text_proj.in_features, "audio": len(model.speech.audio_scale.mean)}
    write_json(
        folder / RECORD,
        {
            "version": VERSION,
            "config": model.config.model_dump(mode="json"),
            "widths": widths,
            "gate": asdict(gate),
            **facts,
        },
    )


def load_embedding(folder: Path) -> SpeechMotion:
    """The towers, in eval mode."""
    record = read_record(folder)
    config = EmbeddingConfig.parse(record["config"], f"{folder / RECORD} config")
    model = SpeechMotion(config, **record["widths"])
    load_weights(model, folder)
    return model


def read_record(folder: Path) -> dict[str, Any]:
    """`embedding.json`; one of another version of this code is an `InputError`."""
    path = folder / RECORD
    if not path.exists():
        raise InputError(f"{path}: no such file", expected="a trained contrastive evaluator", remedy=_REMEDY)
    record = read_json(path)
    if record.get("version") != VERSION:
        raise InputError(f"{path}: made by version {record.get('version')}", expected=str(VERSION), remedy=_REMEDY)
    return record


def read_gate(folder: Path) -> Gate:
    values = read_record(folder)["gate"]
    return Gate(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def read_transcripts(folder: Path) -> np.ndarray:
    """(M, D) float32."""
    return np.load(folder / TRANSCRIPTS).astype(np.float32)


def identity_of(folder: Path) -> str:
    """The first 16 digits of the hash of the weights: which space numbers were measured in."""
    return sha256_file(folder / WEIGHTS)[:16]


def stamp(folder: Path) -> tuple[int, int]:
    """Changes when the weights do, without reading them."""
    path = folder / WEIGHTS
    if not path.exists():
        raise InputError(f"{path}: no such file", expected="a trained contrastive evaluator", remedy=_REMEDY)
    found = path.stat()
    return found.st_mtime_ns, found.st_size
