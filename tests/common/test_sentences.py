"""Sentences through frozen encoders: what depends on the words alone, and pads, and is zero without words."""

import numpy as np
import pytest

from gesturebench.common.errors import InputError
from gesturebench.common.features.pretrained import Pretrained
from gesturebench.common.features.sentence_config import SentenceConfig
from gesturebench.common.features.sentences import padded_tokens, sentence_encoder, token_width
from tests.encoders import WIDTH, write_bert, write_clip_text

TEXTS = ["so we went to the harbour", "", "harbour"]


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, SentenceConfig]:
    folder = tmp_path_factory.mktemp("models")
    bert, clip = write_bert(folder / "bert"), write_clip_text(folder / "clip")
    return {
        "words": SentenceConfig(tokens=4),
        "bert": SentenceConfig(encoder="bert", model=Pretrained(model=str(bert)), tokens=20),
        "clip": SentenceConfig(encoder="clip", model=Pretrained(model=str(clip))),
    }


@pytest.mark.parametrize("name", ["words", "bert", "clip"])
def test_equal_texts_have_equal_features(name, models):
    encoder, width = sentence_encoder(models[name]), token_width(models[name])
    tokens, pooled = encoder.tokens(TEXTS), encoder.pooled(TEXTS)
    assert [rows.shape[1] for rows in tokens] == [width] * 3
    assert len(tokens[0]) <= models[name].tokens
    assert pooled.shape[0] == 3
    assert not pooled[1].any()
    assert pooled[[0, 2]].any(1).all()
    alone = encoder.tokens(TEXTS[2:])[0], encoder.pooled(TEXTS[2:])[0]
    assert np.array_equal(alone[0], tokens[2])
    assert np.array_equal(alone[1], pooled[2])


def test_hashed_words_are_their_words(models):
    tokens = sentence_encoder(models["words"]).tokens(TEXTS)
    assert [len(rows) for rows in tokens] == [4, 0, 1]
    whole = sentence_encoder(SentenceConfig()).tokens(TEXTS[:1])[0]
    np.testing.assert_allclose(sentence_encoder(models["words"]).pooled(TEXTS)[0], whole.mean(0), rtol=1e-6)
    assert np.array_equal(whole[-1:], tokens[2])


def test_padding(models):
    rows = padded_tokens(sentence_encoder(models["words"]).tokens(TEXTS), 5)
    assert rows.shape == (3, 5, 64)
    assert not rows[1].any()
    assert not rows[2, 1:].any()
    assert rows[0, 3].any()


def test_the_mean_of_a_language_model_leaves_its_special_tokens_out(models):
    encoder = sentence_encoder(models["bert"])
    tokens = encoder.tokens(["ab"])[0]
    assert tokens.shape == (4, WIDTH)
    np.testing.assert_allclose(encoder.pooled(["ab"])[0], tokens[1:-1].mean(0), rtol=1e-5)


def test_an_encoder_without_a_model_is_refused():
    with pytest.raises(InputError, match=r"text\.encoder=words"):
        sentence_encoder(SentenceConfig(encoder="bert"))
