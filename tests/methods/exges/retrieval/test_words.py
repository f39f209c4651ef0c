"""Words and their times: cleaned ones, and those that a Whisper model hears (real classes with random weights)."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gesturebench.common.corpus.clip import Speech, Word
from gesturebench.common.errors import InputError
from gesturebench.methods.exges.retrieval.config import BaseConfig, WordsConfig
from gesturebench.methods.exges.retrieval.words import cleaned, spoken_words

SPECIAL = (
    "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|translate|>", "<|startofprev|>",
    "<|nospeech|>", "<|notimestamps|>",
)  # fmt: skip
labels = st.sampled_from(["well", "I", "", " ", "--", "so,", "Don't"])
intervals = st.builds(
    lambda text, start, length: Word(text, start / 1000, (start + length) / 1000),
    labels, st.integers(0, 3000), st.integers(0, 900),
)  # fmt: skip


SAME_TIME = [Word("well", a / 1000, b / 1000) for a, b in ((0, 292), (289, 292), (290, 290), (290, 311))]


@settings(max_examples=60, deadline=None)
@given(st.lists(intervals, max_size=12))
@example(SAME_TIME)
def test_cleaned_words_are_in_order_and_apart(words):
    found = cleaned(words, 0.02)
    assert all(word.end_s - word.start_s >= 0.02 for word in found)
    assert all(before.end_s <= after.start_s for before, after in pairwise(found))
    assert {word.text for word in found} <= {"well", "i", "so", "don't"}
    assert cleaned(found, 0.02) == found


def test_without_overlap_times_stay():
    words = [Word("So,", 1.0, 1.5), Word("well", 0.2, 0.9)]
    assert cleaned(words, 0.02) == [Word("well", 0.2, 0.9), Word("so", 1.0, 1.5)]


@pytest.fixture(scope="module")
def whisper(tmp_path_factory) -> Path:
    transformers = pytest.importorskip("transformers")
    import torch
    from tokenizers.pre_tokenizers import ByteLevel

    folder = tmp_path_factory.mktemp("whisper")
    vocabulary = {piece: number for number, piece in enumerate([*sorted(ByteLevel.alphabet()), SPECIAL[0]])}
    end = dict.fromkeys(("unk_token", "bos_token", "eos_token"), SPECIAL[0])
    tokenizer = transformers.WhisperTokenizerFast(vocab=vocabulary, merges=[], **end)
    tokenizer.add_tokens([transformers.AddedToken(piece, special=True) for piece in SPECIAL[1:]])
    tokenizer.add_tokens([f"<|{0.02 * k:.2f}|>" for k in range(1501)])
    tokenizer.save_pretrained(folder)
    number = dict(zip(SPECIAL, tokenizer.convert_tokens_to_ids(list(SPECIAL))))
    config = transformers.WhisperConfig(
        vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_target_positions=64,
        pad_token_id=256, bos_token_id=256, eos_token_id=256, decoder_start_token_id=number["<|startoftranscript|>"],
        begin_suppress_tokens=None, suppress_tokens=None,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.WhisperForConditionalGeneration(config)
    _generation(model.generation_config, number)
    model.save_pretrained(folder)
    return folder


def _generation(settings, number: dict[str, int]) -> None:
    """What the published models bring along: which heads tell the time, and which tokens mean what."""
    values = {
        "_from_model_config": False,
        "alignment_heads": [[0, 0], [0, 1]],
        "no_timestamps_token_id": number["<|notimestamps|>"],
        "prev_sot_token_id": number["<|startofprev|>"],
        "is_multilingual": True,
        "lang_to_id": {"<|en|>": number["<|en|>"]},
        "task_to_id": {"transcribe": number["<|transcribe|>"], "translate": number["<|translate|>"]},
        "max_length": 16,
        "max_initial_timestamp_index": 50,
    }
    for name, value in values.items():
        setattr(settings, name, value)


def config(folder: Path) -> WordsConfig:
    return WordsConfig.parse({"source": "whisper", "whisper": {"model": str(folder)}}, "words")


@pytest.mark.filterwarnings("ignore:std")  # of two frames of sound, which two seconds of the short answer leave
def test_whisper_tells_words_and_times(whisper):
    audio = (0.1 * np.random.default_rng(0).normal(size=32_000)).astype(np.float32)
    heard = spoken_words(Speech("somebody", audio, 2), config(whisper))
    assert heard, "a random model says something"
    assert all(0 <= word.start_s < word.end_s <= 2.0 for word in heard)
    assert heard == spoken_words(Speech("somebody", audio, 2), config(whisper))


def test_whisper_hears_nothing_where_there_is_no_sound(whisper):
    assert spoken_words(Speech("nobody", np.zeros(0, np.float32), 2), config(whisper)) == []


def test_a_whisper_model_without_times_is_refused(whisper, tmp_path):
    for file in whisper.iterdir():
        if file.name != "generation_config.json":
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(InputError, match=r"no alignment heads.*words\.source=textgrid"):
        spoken_words(Speech("somebody", np.zeros(16_000, np.float32), 2), config(tmp_path))


def test_which_whisper_enters_the_key_of_the_base_wherever_it_lies(whisper, tmp_path):
    from gesturebench.methods.exges.retrieval.components import missing_models, retrieval_components
    from gesturebench.methods.exges.retrieval.config import RETRIEVAL_PRESETS

    def keyed(folder: Path):
        values = {"base": {"words": {"source": "whisper", "whisper": {"model": str(folder)}}}}
        told = RETRIEVAL_PRESETS["tiny"].updated(values)
        assert missing_models(told) == ()
        return retrieval_components(told)[0].config

    for file in whisper.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert keyed(whisper) == keyed(tmp_path)
    assert keyed(whisper) != retrieval_components(RETRIEVAL_PRESETS["tiny"])[0].config
    assert BaseConfig().words.whisper is None
