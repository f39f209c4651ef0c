"""A chat model at toy size: real `transformers` classes with random weights, saved and loaded from a folder."""

import shutil
from pathlib import Path

import pytest
import torch

from gesturebench.common.errors import InputError
from gesturebench.common.llm import LLMConfig, ask
from gesturebench.common.llm.local_model import LocalModel
from gesturebench.common.llm.prompt import Question

transformers = pytest.importorskip("transformers")
pre_tokenizers = pytest.importorskip("tokenizers.pre_tokenizers")
QUESTION = Question("a big house", 2, "words-1")
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + TEMPLATE


@pytest.fixture(scope="module")
def chat(tmp_path_factory) -> Path:
    """A Llama of two layers that reads bytes."""
    folder = tmp_path_factory.mktemp("chat")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*alphabet, "<end>"])}
    tokenizer = transformers.GPT2TokenizerFast(vocab=vocabulary, merges=[], eos_token="<end>", unk_token="<end>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=2200, eos_token_id=len(alphabet), bos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def local(folder: Path, **settings) -> LocalModel:
    return LocalModel(LLMConfig(provider="transformers", model=str(folder), max_tokens=12, **settings))


def changed(chat: Path, folder: Path, template: str | None) -> Path:
    shutil.copytree(chat, folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = template
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    tokenizer.save_pretrained(folder)
    return folder


def test_the_likeliest_reply_does_not_depend_on_what_was_drawn_before(chat):
    model = local(chat)
    before = torch.random.get_rng_state()
    first = model.reply(QUESTION)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(7)
    assert first
    assert model.reply(QUESTION) == local(chat, seed=5).reply(QUESTION) == first


def test_the_reply_continues_the_conversation_by_the_likeliest_tokens(chat):
    model = local(chat)
    text = "".join(f"<{said['role']}>{said['content']}" for said in QUESTION.messages) + "<assistant>"
    ids = model._tokenizer(text, return_tensors="pt").input_ids
    start = ids.shape[1]
    for _ in range(12):
        with torch.inference_mode():
            ids = torch.cat([ids, model._network(ids).logits[:, -1:].argmax(-1)], 1)
    assert model.reply(QUESTION) == model._tokenizer.decode(ids[0, start:], skip_special_tokens=True)


def test_draws_follow_the_seed_and_the_question(chat):
    hot = {"temperature": 5.0}
    one, other = local(chat, seed=1, **hot).reply(QUESTION), local(chat, seed=2, **hot).reply(QUESTION)
    assert one != other
    assert local(chat, seed=1, **hot).reply(QUESTION) == one


def test_a_model_without_a_system_role_reads_the_instructions_with_the_text(chat, tmp_path):
    model = local(changed(chat, tmp_path / "chat", NO_SYSTEM))
    assert model.reply(Question("a big house", 2, "words-1", ("Sure!",)))
    read = model._tokenizer.decode(model._tokens(QUESTION.messages)["input_ids"][0])
    assert read.startswith("<user>You are an expert on the gestures")
    assert read.endswith("a big house<assistant>")


def test_what_cannot_converse_or_is_too_short_or_absent_is_refused(chat, tmp_path):
    with pytest.raises(InputError, match="no chat template"):
        local(changed(chat, tmp_path / "chat", None)).reply(QUESTION)
    with pytest.raises(InputError, match="expected at most 2200 together"):
        local(chat).reply(Question("big " * 500, 2, "words-1"))
    with pytest.raises(InputError, match="no such folder"):
        local(tmp_path / "nowhere").reply(QUESTION)


def test_replies_are_kept_by_the_weights_wherever_they_lie(chat, tmp_path):
    copy = shutil.copytree(chat, tmp_path / "copy")
    assert local(copy).model == local(chat).model
    (copy / "config.json").write_text((copy / "config.json").read_text() + "\n")
    assert local(copy).model != local(chat).model
    named = {"provider": "transformers", "model": "some/chat"}
    assert LocalModel(LLMConfig(**named)).model == "some/chat@main"
    assert LocalModel(LLMConfig(**named, revision="v2")).model == "some/chat@v2"


def test_a_reply_without_words_is_asked_for_again_and_kept(chat, tmp_path):
    config = LLMConfig(provider="transformers", model=str(chat), max_tokens=12)
    answer = ask("a big house", config)
    assert (answer.state, len(answer.replies)) == ("unreadable", 2)
    assert len(list((tmp_path / "replies").rglob("*.json"))) == 2
    assert ask("a big house", config) == answer
