"""Pretrained encoders at toy size: real `transformers` classes with random weights, saved and loaded from a folder."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gesturebench.common.corpus.clip import Speech, Word
from gesturebench.common.errors import InputError
from gesturebench.common.features.encoders import ENCODERS, PUBLISHED, encoder_feature
from gesturebench.common.features.pretrained import Pretrained, identity
from gesturebench.common.features.speech_encoder import receptive_field, summed_layers
from gesturebench.common.features.text_encoder import merged, placed, word_means
from gesturebench.common.features.waveform import standardised

transformers = pytest.importorskip("transformers")
WIDTH = 32
WORDS = ("hello", "walk", "##ing", "don", "'", "t", "big", ",", "-")


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory) -> Path:
    """wav2vec2 with a token head: 50 rows per second, as the published one."""
    config = transformers.Wav2Vec2Config(
        vocab_size=32, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        conv_dim=(WIDTH,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    return saved(transformers.Wav2Vec2ForCTC(config), tmp_path_factory.mktemp("wav2vec2"))


@pytest.fixture(scope="module")
def wavlm(tmp_path_factory) -> Path:
    config = transformers.WavLMConfig(
        hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, conv_dim=(WIDTH,) * 7,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2, do_stable_layer_norm=True,
    )  # fmt: skip
    return saved(transformers.WavLMModel(config), tmp_path_factory.mktemp("wavlm"))


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=WIDTH, num_hidden_layers=4, num_attention_heads=2,
        intermediate_size=48, max_position_embeddings=12,
    )  # fmt: skip
    transformers.BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)
    return saved(transformers.BertModel(config), folder)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    pieces = ["!", "h", "i", "i</w>", "hi</w>", "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = transformers.CLIPTokenizerFast(vocab=vocabulary, merges=[("h", "i</w>")])
    tokenizer.save_pretrained(folder)
    config = transformers.CLIPTextConfig(
        vocab_size=len(pieces), hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=9, projection_dim=16, bos_token_id=5, eos_token_id=6,
    )  # fmt: skip
    return saved(transformers.CLIPTextModelWithProjection(config), folder)


def saved(model: torch.nn.Module, folder: Path) -> Path:
    model.save_pretrained(folder)
    return folder


def speech(seconds: float = 2.0, *words: Word) -> Speech:
    audio = 0.1 * np.random.default_rng(0).normal(size=int(seconds * 16_000))
    return Speech("2_scott_0_1_1", audio.astype(np.float32), 2, words=words, transcript=words[:1])


def rows(model: Path, spoken: Speech, **settings) -> np.ndarray:
    return encoder_feature({"kind": "speech", "model": str(model), **settings}).rows(spoken)


def test_own_rows_are_the_model_s_output(recogniser):
    spoken, model = speech(2), transformers.AutoModel.from_pretrained(recogniser).eval()
    with torch.inference_mode():
        expected = model(torch.from_numpy(standardised(spoken.audio))[None]).last_hidden_state[0]
    ours = rows(recogniser, spoken, fps=None)
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    assert ours.shape == (99, WIDTH), "50 per second but for the last receptive field, as in the published model"


@pytest.mark.parametrize("placement", ["timed", "end_to_end", "half_pixel"])
@pytest.mark.parametrize(("fps", "seconds"), [(15, 2.0), (30, 2.71)])
def test_rows_at_motion_frames(wavlm, placement, fps, seconds):
    spoken = speech(seconds)
    out = rows(wavlm, spoken, fps=fps, placement=placement)
    assert out.shape == (spoken.n_frames(fps), WIDTH)
    assert out.dtype == np.float32
    assert np.isfinite(out).all()


def test_placements_agree_with_torch(wavlm):
    spoken = speech(2)
    own = torch.from_numpy(rows(wavlm, spoken, fps=None)).T[None]
    for placement, corners in (("end_to_end", True), ("half_pixel", False)):
        expected = torch.nn.functional.interpolate(own, size=60, mode="linear", align_corners=corners)[0].T
        # torch keeps the places in float32, which moves them by 1e-5 of a row
        np.testing.assert_allclose(rows(wavlm, spoken, placement=placement), expected, atol=5e-5)


def test_timed_rows_lie_where_the_encoder_listens(wavlm):
    """Frame 30 is the moment 1 s; row p is centred on 320 p + 200 samples, so that is row 49.375."""
    spoken = speech(2)
    own, timed = rows(wavlm, spoken, fps=None), rows(wavlm, spoken)
    np.testing.assert_allclose(timed[30], 0.625 * own[49] + 0.375 * own[50], atol=1e-5)
    np.testing.assert_array_equal(timed[0], own[0])


def test_layers_are_summed_with_weights(wavlm):
    spoken, model = speech(1), transformers.AutoModel.from_pretrained(wavlm).eval()
    with torch.inference_mode():
        states = model(torch.from_numpy(spoken.audio)[None], output_hidden_states=True).hidden_states
    ours = rows(wavlm, spoken, fps=None, layers=[0, -1], weights=[0.25, 2.0], normalise=False)
    np.testing.assert_allclose(ours, (0.25 * states[0] + 2 * states[-1])[0], atol=1e-5)
    with pytest.raises(InputError, match="one weight per layer"):
        rows(wavlm, spoken, layers=[0], weights=[1.0, 1.0])


def test_pieces_cover_the_audio(recogniser):
    """Two pieces of 1 s and a rest of 10 ms, too short for a row, which goes to the second piece."""
    spoken = speech(2.01)
    whole, pieces = rows(recogniser, spoken, fps=None), rows(recogniser, spoken, fps=None, chunk_s=1.0)
    assert len(pieces) == 49 + 50
    assert rows(recogniser, spoken, chunk_s=1.0).shape == (60, WIDTH)
    assert len(whole) == 100
    padded = rows(recogniser, spoken, fps=None, chunk_s=1.0, tail="released_padded")
    assert len(padded) == 3 * 49, "the released way encodes the zeros behind the end too"


def test_loudness_does_not_matter_once_normalised(wavlm):
    spoken = speech(1)
    quiet = Speech("quiet", 0.2 * spoken.audio, 2)
    np.testing.assert_allclose(rows(wavlm, quiet), rows(wavlm, spoken), atol=1e-3)
    different = rows(wavlm, quiet, normalise=False) - rows(wavlm, spoken, normalise=False)
    assert np.abs(different).max() > 1e-3


@pytest.mark.parametrize("kind", ["speech", "ctc"])
def test_audio_that_is_too_short_names_the_clip(recogniser, kind):
    with pytest.raises(InputError, match=r"2_scott_0_1_1: 320 samples are too short .* at least 400 samples \(25 ms\)"):
        encoder_feature({"kind": kind, "model": str(recogniser)}).rows(speech(0.02))


def test_tokens_are_the_most_probable_ones(recogniser):
    spoken, model = speech(1), transformers.AutoModelForCTC.from_pretrained(recogniser).eval()
    with torch.inference_mode():
        logits = model(torch.from_numpy(standardised(spoken.audio))[None]).logits[0]
    tokens = encoder_feature({"kind": "ctc", "model": str(recogniser)}).rows(spoken)
    assert tokens.shape == (49, 1)
    np.testing.assert_array_equal(tokens[:, 0], logits.argmax(-1))


def test_words_are_means_of_the_last_four_layers(bert):
    feature = encoder_feature({"kind": "text", "model": str(bert)})
    model = transformers.AutoModel.from_pretrained(bert).eval()
    ids = torch.tensor([[2, 8, 9, 10, 6, 7, 3]])  # [CLS] don ' t walk ##ing [SEP]
    with torch.inference_mode():
        summed = sum(model(ids, output_hidden_states=True).hidden_states[-4:])[0]
    np.testing.assert_allclose(feature.tokens(["don't", "walking"]), summed, atol=1e-5)
    expected = torch.stack([summed[1:4].mean(0), summed[4:6].mean(0)])
    np.testing.assert_allclose(feature.words(["don't", "walking"]), expected, atol=1e-5)


def test_words_hold_their_frames_and_silence_is_zero(bert):
    feature = encoder_feature({"kind": "text", "model": str(bert), "fps": 15})
    out = feature.rows(speech(2, Word("hello", 0.4, 1.0), Word("big", 1.2, 1.21)))
    hello = feature.words(["hello", "big"])[0]
    np.testing.assert_allclose(out[6:15], np.broadcast_to(hello, (9, WIDTH)), atol=1e-6)
    assert not out[:6].any()
    assert not out[15:].any(), "a word within one frame vanishes, as in the published features"


def test_the_transcript_is_another_source(bert):
    spoken = speech(2, Word("hello", 0, 1), Word("big", 1, 2))
    out = encoder_feature({"kind": "text", "model": str(bert), "source": "transcript"}).rows(spoken)
    assert out[:30].any()
    assert not out[30:].any()


def test_no_words_are_silence(bert):
    out = encoder_feature({"kind": "text", "model": str(bert)}).rows(speech(1))
    np.testing.assert_array_equal(out, np.zeros((30, WIDTH), np.float32))


def test_more_words_than_the_model_reads(bert):
    words = [Word("hello", k / 10, (k + 1) / 10) for k in range(19)]
    feature = encoder_feature({"kind": "text", "model": str(bert)})
    assert not feature.fits(["hello"] * 19)
    with pytest.raises(InputError, match="21 tokens; expected at most 12"):
        feature.words(["hello"] * 19)
    out = feature.rows(speech(2, *words))
    np.testing.assert_allclose(out[:3], np.broadcast_to(feature.words(["hello"] * 10)[0], (3, WIDTH)), atol=1e-6)
    np.testing.assert_allclose(out[30:33], np.broadcast_to(feature.words(["hello"] * 9)[0], (3, WIDTH)), atol=1e-6)


def test_clip_reads_padding_behind_the_sentence(clip):
    feature = encoder_feature({"kind": "clip_text", "model": str(clip)})
    model = transformers.CLIPTextModelWithProjection.from_pretrained(clip).eval()
    ids = torch.tensor([[5, 4, 6, 0, 0, 0, 0, 0, 0]])  # <start> hi <end> and OpenAI's padding
    with torch.inference_mode():
        expected = model(ids)
    np.testing.assert_allclose(feature.rows(speech(1, Word("hi", 0, 1))), expected.last_hidden_state[0], atol=1e-6)
    sentence = encoder_feature({"kind": "clip_text", "model": str(clip), "output": "sentence"}).text("hi")
    np.testing.assert_allclose(sentence, expected.text_embeds, atol=1e-6)
    end = encoder_feature({"kind": "clip_text", "model": str(clip), "padding": "end"}).text("hi")
    np.testing.assert_allclose(end[:3], expected.last_hidden_state[0, :3], atol=1e-6)
    assert np.abs(end[3:] - expected.last_hidden_state[0, 3:].numpy()).max() > 1e-3


def test_a_long_sentence_keeps_its_end(clip):
    feature = encoder_feature({"kind": "clip_text", "model": str(clip), "output": "sentence"})
    assert feature.text("hi " * 30).shape == (1, 16)
    np.testing.assert_array_equal(feature.text("hi " * 30), feature.text("hi " * 7))


def test_merged_joins_tokens_of_the_same_time():
    spoken = [Word("is", 0, 1), Word(".", 0, 1), Word("'", 0, 1), Word("do", 1, 2), Word("do", 2, 3)]
    assert [word.text for word in merged(spoken)] == ["is.'", "do", "do"]


def test_word_means_and_places():
    tokens = np.arange(8, dtype=np.float32).reshape(4, 2)
    np.testing.assert_array_equal(word_means(tokens, [None, 0, 0, 2], 3), [[3, 4], [0, 0], [6, 7]])
    out = placed([Word("a", 0, 0.5), Word("b", 0.25, 0.5)], np.array([[1.0], [2.0]]), 4, fps=8)
    np.testing.assert_array_equal(out[:, 0], [1, 1, 2, 2])


def test_words_are_those_of_the_reference(reference, tmp_path):
    """Sentences of RAG-Gesture's golden data through a real tokenizer that knows their pieces."""
    cases = json.loads((reference / "reference/golden/rag_gesture/dataset_text.json").read_text())["word_vectors"]
    pieces = dict.fromkeys(piece for case in cases for piece in case["tokens"])
    special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    (tmp_path / "vocab.txt").write_text("\n".join([*sorted(special), *(p for p in pieces if p not in special)]))
    tokenizer = transformers.BertTokenizerFast(str(tmp_path / "vocab.txt"), do_lower_case=False)
    for case in cases:
        words = case["sentence"].split()
        encoding = tokenizer(words, is_split_into_words=True)
        assert encoding.tokens() == case["tokens"]
        states = SimpleNamespace(hidden_states=[torch.tensor(layer) for layer in case["hidden_states"]])
        summed = summed_layers(states, (-4, -3, -2, -1)).numpy()
        np.testing.assert_allclose(summed, case["text_feature"], atol=1e-6)
        means = word_means(summed, encoding.word_ids(), len(words))
        np.testing.assert_allclose(means, case["word_vectors"], atol=1e-6)


def test_published_settings_are_valid():
    for settings in PUBLISHED.values():
        feature = encoder_feature(settings)
        assert feature.name == settings["kind"]
    assert {settings["kind"] for settings in PUBLISHED.values()} == set(ENCODERS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "speeech"}, "did you mean 'speech'"),
        ({"kind": "speech"}, "no key 'model'"),
        ({"kind": "speech", "model": "a", "layer": 3}, "did you mean 'layers'"),
        ({"kind": "text", "model": "a", "fps": 25}, "15"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(InputError, match=message):
        encoder_feature(settings)


def test_a_missing_folder_is_not_searched_on_the_hub(tmp_path):
    with pytest.raises(InputError, match="no such folder; expected a pretrained model; pass a folder"):
        rows(tmp_path / "nothing", speech(1))


def test_an_unreachable_hub(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        InputError, match=r"nobody/nothing \(revision v1\): cannot be loaded .* download the model once"
    ):
        encoder_feature({"kind": "speech", "model": "nobody/nothing", "revision": "v1"}).rows(speech(1))


def test_without_transformers(monkeypatch, bert):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"the extra `encoders`; pip install 'gesturebench\[encoders\]'"):
        encoder_feature({"kind": "text", "model": str(bert)}).words(["hello"])


def copied(model: Path, out: Path) -> Path:
    out.mkdir()
    for file in model.iterdir():
        (out / file.name).write_bytes(file.read_bytes())
    return out


def test_damaged_weights_are_named(recogniser, tmp_path):
    folder = copied(recogniser, tmp_path / "copy")
    with open(folder / "model.safetensors", "r+b") as file:
        file.truncate(2000)
    with pytest.raises(InputError, match=r"copy: cannot be loaded \(SafetensorError"):
        rows(folder, speech(1))


def test_weights_are_never_made_up(recogniser, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = copied(recogniser, tmp_path / "copy")
    tensors = load_file(folder / "model.safetensors")
    kept = {
        name: tensor for name, tensor in tensors.items() if "encoder.layers.1" not in name and "masked_spec" not in name
    }
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"16 weights are missing, the first is encoder\.layers\.1\."):
        rows(folder, speech(1))
    del tensors["wav2vec2.masked_spec_embed"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    state = torch.random.get_rng_state()
    assert np.isfinite(rows(folder, speech(1))).all(), "what only training reads may be missing"
    assert torch.equal(state, torch.random.get_rng_state()), "drawing it leaves the global generator alone"


def test_a_text_model_does_not_listen(bert):
    with pytest.raises(InputError, match="a BertModel does not read waveforms"):
        rows(bert, speech(1))


def test_identity_follows_the_content_of_a_folder(recogniser, tmp_path):
    folder = copied(recogniser, tmp_path / "copy")
    assert identity(Pretrained(model=str(folder))) == identity(Pretrained(model=str(recogniser)))
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    assert identity(Pretrained(model=str(folder))) != identity(Pretrained(model=str(recogniser)))


def test_identity_of_a_hub_model_is_its_commit(tmp_path, monkeypatch):
    """The layout of the hub's own cache, without a network."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    model = tmp_path / "models--toy--encoder"
    (model / "snapshots" / commit).mkdir(parents=True)
    (model / "snapshots" / commit / "config.json").write_text("{}")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert identity(Pretrained(model="toy/encoder")) == f"commit:{commit}"


def test_receptive_field_of_the_published_encoders():
    config = SimpleNamespace(conv_kernel=(10, 3, 3, 3, 3, 2, 2), conv_stride=(5, 2, 2, 2, 2, 2, 2))
    assert receptive_field(config) == (320, 400)
