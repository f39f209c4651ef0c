"""The channel of letters, and its stand-ins; rows of words."""

from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.corpus.clip import Speech, Word
from gesturebench.common.corpus.vocabulary import UNKNOWN
from gesturebench.common.errors import InputError
from gesturebench.common.features.ctc import CtcTokens
from gesturebench.common.features.pretrained import Pretrained
from gesturebench.common.fitting import FitContext
from gesturebench.methods.mambatalk.components import missing_models, trained_components
from gesturebench.methods.mambatalk.config import PRESETS, SpeechConfig
from gesturebench.methods.mambatalk.tokens import PHONES, fit_tokens, read_tokens, recognised, tokens_of
from gesturebench.methods.mambatalk.words import HashedWords, word_rows, word_table
from tests.encoders import write_wav2vec2_ctc


def speech(seconds: float = 1.0) -> Speech:
    audio = np.random.default_rng(0).normal(0, 0.1, int(16_000 * seconds)).astype(np.float32)
    phones = (Word("HH", 0.1, 0.2), Word("AH0", 0.2, 0.31), Word("sil", 0.31, 0.4), Word("L", 0.4, 5.0))
    return Speech("1_ada_0_1_1", audio, 1, phones=phones)


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory) -> Pretrained:
    return Pretrained(model=str(write_wav2vec2_ctc(tmp_path_factory.mktemp("ctc"))))


def test_phones_stand_for_letters_without_their_stress():
    tokens = tokens_of(speech(), SpeechConfig(tokens="phones"))
    hh, ah, ll = (PHONES.index(name) + 1 for name in ("HH", "AH", "L"))
    assert tokens.tolist() == [0] * 5 + [hh] * 5 + [ah] * 5 + [0] * 5 + [ll] * 30
    assert len(PHONES) == 39


def test_zeros_stand_for_letters():
    assert tokens_of(speech(), SpeechConfig(tokens="zeros")).tolist() == [0.0] * 50


def test_a_recogniser_hears_letters(recogniser):
    config = SpeechConfig(tokens="recogniser", recogniser=recogniser)
    tokens = tokens_of(speech(), config)
    assert tokens.tolist() == CtcTokens(recogniser).rows(speech())[:, 0].tolist()
    assert len(tokens) == 49


def test_a_long_speech_is_heard_in_pieces(recogniser):
    tokens = recognised(speech(2.0), CtcTokens(recogniser), piece=16_000)
    first, second = (replace(speech(2.0), audio=half) for half in np.split(speech(2.0).audio, 2))
    expected = [CtcTokens(recogniser).rows(part)[:, 0] for part in (first, second)]
    assert tokens.tolist() == np.concatenate(expected).tolist()


def test_letters_of_training_clips_are_heard_once(recogniser, store, tmp_path):
    context = FitContext(store, tmp_path / "out", tmp_path / "work", place={"recogniser": recogniser.model_dump()})
    fit_tokens({}, context)
    found = read_tokens(tmp_path / "out")
    assert set(found) == set(store.split("train"))
    clip = store.split("train")[0]
    assert found[clip].tolist() == recognised(store.speech(clip), CtcTokens(recogniser)).tolist()


def test_letters_are_a_component_where_they_are_recognised(recogniser):
    config = PRESETS["tiny"]
    assert "tokens" not in [part.name for part in trained_components(config)]
    read = config.updated({"speech": {"tokens": "recogniser", "recogniser": recogniser.model_dump()}})
    tokens, network = trained_components(read)[-2:]
    assert tokens.name == "tokens"
    assert "tokens" in network.needs
    assert recogniser.model not in str(tokens.config) + str(network.config)
    assert missing_models(read) == missing_models(config) == ()


def test_a_recogniser_that_is_not_here_is_told_with_its_stand_in():
    absent = Pretrained(model="nobody/nothing", revision="0" * 40)
    config = PRESETS["tiny"].updated({"speech": {"tokens": "recogniser", "recogniser": absent.model_dump()}})
    assert missing_models(config)[0].endswith("or set speech.tokens=phones")


def test_hashed_words_have_rows_of_their_own():
    table = HashedWords(512)
    rows = [table.index(word) for word in ("hello", "Hello", "world", "")]
    assert rows[0] == rows[1] != rows[2]
    assert all(UNKNOWN < row < 512 for row in rows[:3])
    assert rows[3] == UNKNOWN
    said = word_rows((Word("hello", 0.1, 0.2),), table, 9)
    assert said.tolist() == [UNKNOWN] * 4 + [rows[0]] * 3 + [UNKNOWN] * 2


def test_a_vocabulary_of_another_size_is_refused(store):
    class Seven:
        path, vocabulary = "there", [None] * 7

    with pytest.raises(InputError, match=r"a vocabulary of 7 rows; expected 11195.*speech.words=hashed"):
        word_table(SpeechConfig(), Seven())
