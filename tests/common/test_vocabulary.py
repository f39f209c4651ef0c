"""The vocabulary: right rows, and a pickle that is read but never obeyed."""

import io
import json
import os
import pickle
import pickletools
import sys
from types import ModuleType

import numpy as np
import pytest

from gesturebench.common.corpus.vocabulary import UNKNOWN, Vocabulary
from gesturebench.common.errors import InputError

WORDS = ("so", "i", "the", "time")


@pytest.fixture
def foreign(monkeypatch) -> type:
    """The class whose pickles BEAT2 ships, under the name they give it."""
    module = ModuleType("dataloaders.build_vocab")
    vocab = type("Vocab", (), {"__module__": "dataloaders.build_vocab"})
    module.Vocab = vocab
    monkeypatch.setitem(sys.modules, "dataloaders", ModuleType("dataloaders"))
    monkeypatch.setitem(sys.modules, "dataloaders.build_vocab", module)
    return vocab


def filled(foreign: type, vectors: np.ndarray | None = None) -> object:
    vocabulary = foreign()
    vocabulary.name, vocabulary.trimmed, vocabulary.n_words = "vocab", False, 4 + len(WORDS)
    vocabulary.word2index = {word: 4 + k for k, word in enumerate(WORDS)}
    vocabulary.word2count = dict.fromkeys(WORDS, 2)
    vocabulary.index2word = {0: "<PAD>", 1: "<SOS>", 2: "<EOS>", 3: "<UNK>"}
    vocabulary.word_embedding_weights = vectors
    return vocabulary


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_the_published_pickle_is_read_without_its_class(foreign, tmp_path, monkeypatch, protocol):
    vectors = np.random.default_rng(0).normal(size=(8, 300)).astype(np.float32)
    (tmp_path / "vocab.pkl").write_bytes(pickle.dumps(filled(foreign, vectors), protocol=protocol))
    monkeypatch.delitem(sys.modules, "dataloaders.build_vocab")
    vocabulary = Vocabulary.load(tmp_path / "vocab.pkl")
    np.testing.assert_array_equal(vocabulary.vectors, vectors)
    assert [vocabulary.index(word) for word in ("so", "time", "Time", "", " ")] == [4, 7, 3, 3, 3]
    assert len(vocabulary) == 8


def test_arrays_of_older_numpy_are_read(foreign, tmp_path):
    data = pickle.dumps(filled(foreign, np.ones((8, 300), np.float32)), protocol=2)
    assert b"numpy._core.multiarray" in data
    (tmp_path / "vocab.pkl").write_bytes(data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert Vocabulary.load(tmp_path / "vocab.pkl").vectors.sum() == 8 * 300


@pytest.mark.parametrize("callable_", [print, eval, np.load, pickle.loads, os.getenv], ids=lambda c: c.__name__)
def test_a_pickle_that_asks_for_anything_else_is_refused(foreign, tmp_path, callable_):
    class Trap:
        def __reduce__(self):
            return callable_, ("1",)

    vocabulary = filled(foreign)
    vocabulary.word2count = Trap()
    (tmp_path / "vocab.pkl").write_bytes(pickle.dumps(vocabulary))
    with pytest.raises(InputError, match=rf"vocab\.pkl: not BEAT2's vocabulary .*asks for .*{callable_.__name__}"):
        Vocabulary.load(tmp_path / "vocab.pkl")


@pytest.mark.parametrize("data", [b"", b"\x80\x04", b"hello", pickle.dumps([1, 2]), pickle.dumps({"word2index": {}})])
def test_what_is_no_vocabulary_is_named(tmp_path, data):
    (tmp_path / "vocab.pkl").write_bytes(data)
    with pytest.raises(InputError, match=r"vocab\.pkl: not BEAT2's vocabulary"):
        Vocabulary.load(tmp_path / "vocab.pkl")


def test_rows_must_fit_the_words(foreign, tmp_path):
    (tmp_path / "vocab.pkl").write_bytes(pickle.dumps(filled(foreign, np.ones((6, 300), np.float32))))
    with pytest.raises(InputError, match=r"vectors have shape \(6, 300\), indices reach 7"):
        Vocabulary.load(tmp_path / "vocab.pkl")
    twice = filled(foreign)
    twice.word2index = {"a": 4, "b": 4}
    (tmp_path / "vocab.pkl").write_bytes(pickle.dumps(twice))
    with pytest.raises(InputError, match="two words share an index"):
        Vocabulary.load(tmp_path / "vocab.pkl")


def test_a_truncated_pickle_never_runs_anything(foreign, tmp_path):
    data = pickle.dumps(filled(foreign, np.ones((8, 300), np.float32)))
    for length in [*range(0, 400, 7), len(data) - 1]:
        (tmp_path / "vocab.pkl").write_bytes(data[:length])
        with pytest.raises(InputError, match=r"vocab\.pkl"):
            Vocabulary.load(tmp_path / "vocab.pkl")
    assert any(opcode.name == "STACK_GLOBAL" for opcode, _, _ in pickletools.genops(io.BytesIO(data)))


def test_a_word_list(reference, tmp_path):
    tiny = reference / "reference/golden/evaluators/tiny_beat2/beat_english_v2.0.0/weights/vocab.json"
    words = json.loads(tiny.read_text())["words_in_index_order_from_4"]
    vocabulary = Vocabulary.load(tiny)
    assert [vocabulary.index(word) for word in words] == list(range(4, 4 + len(words)))
    assert (vocabulary.index("never"), len(vocabulary), vocabulary.vectors) == (UNKNOWN, 4 + len(words), None)
    (tmp_path / "vocab.json").write_text('{"words": []}')
    with pytest.raises(InputError, match=r"vocab\.json: not a word list"):
        Vocabulary.load(tmp_path / "vocab.json")
    with pytest.raises(InputError, match=r"vocab\.pkl: no such file"):
        Vocabulary.load(tmp_path / "vocab.pkl")
