"""Replies on disk: whole or absent, the first one stays, and nobody is asked who need not be."""

import json
import multiprocessing
from pathlib import Path

import pytest

from gesturebench.common.errors import InputError
from gesturebench.common.llm import LLMConfig, ask, semantic_words
from gesturebench.common.llm.prompt import Question, prompt_hash
from gesturebench.common.llm.replies import Asked, ReplyCache
from tests.common.llm.chat_server import message, serving

ASKED = Asked("openai", "some/model:7b", "0123456789abcdef")
QUESTION = Question("a big house", 2, "words-1")
BIG = "[('big', 'iconic')]"


def test_what_is_put_is_got_by_the_same_question_alone(tmp_path):
    cache = ReplyCache(tmp_path)
    assert cache.get(ASKED, QUESTION) is None
    assert cache.put(ASKED, QUESTION, BIG) == cache.get(ASKED, QUESTION) == BIG
    others = [
        (Asked("openai", "some/model:8b", ASKED.prompt), QUESTION),
        (Asked("transformers", ASKED.model, ASKED.prompt), QUESTION),
        (Asked("openai", ASKED.model, "f" * 16), QUESTION),
        (ASKED, Question("a big House", 2, "words-1")),
        (ASKED, Question("a big house", 2, "words-1", ("no",))),
    ]
    assert [cache.get(*other) for other in others] == [None] * 5


def test_one_small_readable_file_says_it_all(tmp_path):
    cache = ReplyCache(tmp_path)
    cache.put(ASKED, QUESTION, "“big”, iconic")
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert path == cache.path(ASKED, QUESTION)
    assert path.parent.name == "openai-some_model_7b-0123456789abcdef"
    entry = json.loads(path.read_text(encoding="utf-8"))
    assert (entry["model"], entry["text"], entry["reply"]) == (ASKED.model, "a big house", "“big”, iconic")


@pytest.mark.parametrize("damage", ["empty", "cut", "changed", "of another", "not an object", "binary"])
def test_a_damaged_entry_is_no_entry_and_made_anew(tmp_path, damage):
    cache = ReplyCache(tmp_path)
    cache.put(ASKED, QUESTION, BIG)
    path = cache.path(ASKED, QUESTION)
    text = path.read_text()
    other = text.replace("a big house", "a big horse")
    wrong = {"empty": "", "cut": text[:-20], "changed": text.replace("iconic", "deictic"), "of another": other}
    path.write_bytes({"not an object": b"[1]", "binary": b"\xff\xfe\x00"}.get(damage) or wrong[damage].encode())
    assert cache.get(ASKED, QUESTION) is None
    assert cache.put(ASKED, QUESTION, "[]") == cache.get(ASKED, QUESTION) == "[]"


def test_the_first_reply_stays(tmp_path):
    cache = ReplyCache(tmp_path)
    assert [cache.put(ASKED, QUESTION, reply) for reply in ("first", "second")] == ["first", "first"]
    assert len(list(cache.path(ASKED, QUESTION).parent.iterdir())) == 1


def test_several_processes_agree_on_every_reply(tmp_path):
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        found = pool.starmap(put_many, [(tmp_path, worker) for worker in range(4)])
    assert found[0] == found[1] == found[2] == found[3]
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 20


def put_many(folder: Path, worker: int) -> list[str]:
    cache = ReplyCache(folder)
    return [cache.put(ASKED, Question(f"text {k}", 2, "words-1"), f"of {worker}") for k in range(20)]


def test_the_prompt_hash_covers_all_that_is_asked_and_nothing_else():
    base = LLMConfig(provider="openai")
    same = [base.updated(change) for change in ({"url": "http://x"}, {"timeout_s": 1}, {"tries": 1}, {"repeats": 0})]
    other = [base.updated(change) for change in ({"words": 3}, {"temperature": 1}, {"seed": 1}, {"max_tokens": None})]
    assert {prompt_hash(config) for config in same} == {prompt_hash(base)}
    assert len({prompt_hash(config) for config in (base, *other)}) == 5


def test_nobody_is_asked_twice(tmp_path):
    with serving(lambda body: message(BIG)) as server:
        config = LLMConfig(provider="openai", url=server.url)
        for text in ("a big house", "a  big\nhouse ", "a big horse"):
            assert semantic_words(text, config) == (("big", "iconic"),)
        assert len(server.asked) == 2
    assert semantic_words("a big house", config) == (("big", "iconic"),)  # the server is gone


def test_a_reply_that_cannot_be_read_is_shown_to_the_model_and_kept(tmp_path):
    with serving([message("As a language model ..."), message(BIG)]) as server:
        config = LLMConfig(provider="openai", url=server.url)
        first, again = ask("a big house", config), ask("a big house", config)
        roles = [said["role"] for said in server.asked[1]["body"]["messages"]]
    assert first == again
    assert (first.state, first.words, len(first.replies)) == ("words", (("big", "iconic"),), 2)
    assert roles == ["system", "user", "assistant", "user"]
    assert server.asked[1]["body"]["messages"][2]["content"] == "As a language model ..."
    assert first.note == "openai gpt-4o-mini: big (iconic), after 1 unreadable"
    kept = [json.loads(path.read_text())["reply"] for path in (tmp_path / "replies").rglob("*.json")]
    assert sorted(kept) == ["As a language model ...", BIG]


def test_when_no_reply_can_be_read_the_configuration_decides():
    with serving(lambda body: message("Sure!")) as server:
        config = LLMConfig(provider="openai", url=server.url, repeats=2)
        answer = ask("a big house", config)
        assert (answer.words, answer.state, answer.replies) == ((), "unreadable", ("Sure!",) * 3)
        assert "none of 3 replies could be read, the last was 'Sure!'" in answer.note
        with pytest.raises(InputError, match="the text was 'a big house'; expected a list of words with types"):
            ask("a big house", config.updated({"unreadable": "error"}))
        assert len(server.asked) == 3


def test_offline_reads_and_does_not_ask(monkeypatch, tmp_path):
    with serving(lambda body: message(BIG)) as server:
        config = LLMConfig(provider="openai", url=server.url)
        semantic_words("a big house", config)
        monkeypatch.setenv("GESTUREBENCH_OFFLINE", "1")
        assert semantic_words("a big house", config) == (("big", "iconic"),)
        with pytest.raises(
            InputError, match=r"no cached reply of openai gpt-4o-mini to 'a tall tower'.*GESTUREBENCH_R"
        ):
            ask("a tall tower", config)
        next((tmp_path / "replies").rglob("*.json")).write_text("{")
        with pytest.raises(InputError, match="a damaged cached reply"):
            ask("a big house", config)
        assert len(server.asked) == 1
    assert semantic_words("a big house", LLMConfig())  # rules need nobody


def test_a_local_model_must_be_named():
    with pytest.raises(InputError, match=r"llm.model = None; expected the folder of a chat model"):
        LLMConfig.parse({"provider": "transformers"}, "llm")
