"""BEAT2's vocabulary: words as rows of an embedding table. Its pickle is read without running any of its code."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gesturebench.common.errors import InputError

PAD, START, END, UNKNOWN = range(4)
"""Rows of the special entries <PAD>, <SOS>, <EOS>, <UNK>."""
_REMEDY = "download weights/vocab.pkl of BEAT2 again, or leave it out"


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """`indices` word -> row from 4 on; `vectors` (n, 300) float32 fastText rows, None if the file has none."""

    indices: Mapping[str, int]
    vectors: np.ndarray | None = None

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """From `vocab.pkl` (a pickled `dataloaders.build_vocab.Vocab`) or a `vocab.json` word list."""
        if not Path(path).is_file():
            raise InputError(f"{path}: no such file", expected="BEAT2's vocab.pkl or vocab.json", remedy=_REMEDY)
        return (_from_json if path.suffix == ".json" else _from_pickle)(path).checked(path)

    def index(self, word: str) -> int:
        """The word's row; 3 for one that is not listed, also for the empty word."""
        return self.indices.get(word, UNKNOWN)

    def __len__(self) -> int:
        """Rows, the four special ones included."""
        return len(self.vectors) if self.vectors is not None else max(self.indices.values(), default=UNKNOWN) + 1

    def checked(self, source: object) -> "Vocabulary":
        """This vocabulary, if every word has a row of its own; else an `InputError` that names `source`."""
        rows = list(self.indices.values())
        if not all(isinstance(word, str) and type(row) is int for word, row in self.indices.items()):
            raise InputError(f"{source}: a word is not text, or its index is no number", remedy=_REMEDY)
        if len(set(rows)) < len(rows) or min(rows, default=0) < 0:
            raise InputError(f"{source}: two words share an index, or one is negative", remedy=_REMEDY)
        if self.vectors is not None:
            n = len(self.vectors)
            if self.vectors.ndim != 2 or max(rows, default=0) >= n or not np.isfinite(self.vectors).all():
                raise InputError(
                    f"{source}: vectors have shape {self.vectors.shape}, indices reach {max(rows, default=0)}",
                    expected="a finite row per word",
                    remedy=_REMEDY,
                )
        return self


class _ForeignVocab:
    """Takes the attributes of the pickled class, and nothing of its behaviour."""


def _plain_reconstruct(subtype: type, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """What numpy's own `_reconstruct` does: an empty array, filled by the state that follows."""
    return np.ndarray.__new__(np.ndarray, shape, dtype)


def _plain_frombuffer(data: bytes, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    """What numpy's own `_frombuffer` does, with which newer pickles begin."""
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def _latin_bytes(text: str, encoding: str) -> bytes:
    """Bytes as the oldest pickles spell them."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes are encoded as {encoding}")
    return text.encode("latin1")


class _Reader(pickle.Unpickler):
    """Knows the vocabulary's class and numpy's arrays; everything else a pickle may ask for is refused."""

    _KNOWN: ClassVar[dict[tuple[str, str], Any]] = {
        ("dataloaders.build_vocab", "Vocab"): _ForeignVocab,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _latin_bytes,
        **{(f"numpy.{core}.multiarray", "_reconstruct"): _plain_reconstruct for core in ("core", "_core")},
        **{(f"numpy.{core}.numeric", "_frombuffer"): _plain_frombuffer for core in ("core", "_core")},
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._KNOWN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return self._KNOWN[module, name]


def _from_pickle(path: Path) -> Vocabulary:
    try:
        with open(path, "rb") as file:
            foreign = _Reader(file).load()
        return Vocabulary(dict(foreign.word2index), _vectors(vars(foreign).get("word_embedding_weights")))
    except InputError:
        raise
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to spell
        raise InputError(
            f"{path}: not BEAT2's vocabulary ({type(error).__name__}: {error})",
            expected="a pickled dataloaders.build_vocab.Vocab",
            remedy=_REMEDY,
        ) from error


def _vectors(weights: Any) -> np.ndarray | None:
    return None if weights is None else np.asarray(weights, dtype=np.float32)


def _from_json(path: Path) -> Vocabulary:
    try:
        words = json.loads(path.read_text(encoding="utf-8"))["words_in_index_order_from_4"]
        return Vocabulary({word: row for row, word in enumerate(words, start=UNKNOWN + 1)})
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not a word list ({type(error).__name__}: {error})",
            expected="words_in_index_order_from_4",
            remedy=_REMEDY,
        ) from error
