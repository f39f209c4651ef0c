"""Retrieval by the words of a language model: from a real server's replies to the report, which hides nothing."""

import pytest

from gesturebench.common.errors import InputError
from gesturebench.common.llm import LLMConfig
from gesturebench.methods.rag_gesture.config import PRESETS
from gesturebench.methods.rag_gesture.report import explained
from gesturebench.methods.rag_gesture.retriever import Retriever
from tests.common.llm.chat_server import message, serving


@pytest.fixture(autouse=True)
def replies(monkeypatch, tmp_path):
    monkeypatch.setenv("GESTUREBENCH_REPLIES", str(tmp_path / "replies"))
    for name in ("OPENAI_API_KEY", "GESTUREBENCH_OFFLINE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def reported(store, **llm) -> list[dict]:
    """The windows of the report of a test clip."""
    config = PRESETS["tiny"].updated({"retrieval": {"strategy": "llm", "llm": llm}})
    return explained(Retriever(config, store), store.speech(store.split("test")[0]), 0)["windows"]


def test_rules_find_words_and_the_report_says_so(store):
    windows = reported(store)
    assert {window["answer"]["state"] for window in windows} <= {"words", "none", "no text"}
    points = [(point["word"], window["answer"]["note"]) for window in windows for point in window["points"]]
    assert points
    assert all(word in note for word, note in points)


def test_a_server_is_asked_for_every_text_once_and_an_unreadable_reply_stands_in_the_report(store):
    with serving(lambda body: message("no idea")) as server:
        windows = reported(store, provider="openai", url=server.url, repeats=0)
        texts = {said["body"]["messages"][1]["content"] for said in server.asked}
        assert len(texts) == len(server.asked) > 0
    asked = [window["answer"] for window in windows if window["answer"]["state"] != "no text"]
    assert {answer["state"] for answer in asked} == {"unreadable"}
    assert all(answer["replies"] == ["no idea"] for answer in asked)
    assert not any(window["points"] for window in windows)
    assert reported(store, provider="openai", url=server.url, repeats=0) == windows  # the server is gone
    with pytest.raises(InputError, match="cannot be reached"):
        reported(store, provider="openai", url=server.url, repeats=0, model="another", tries=1)


def test_the_language_model_is_in_the_key_where_it_is_asked_and_nowhere_else():
    def key(**retrieval):
        return PRESETS["tiny"].updated({"retrieval": retrieval}).model_dump(mode="json")["retrieval"]

    other = LLMConfig(words=3).model_dump()
    assert key(strategy="discourse") == key(strategy="discourse", llm=other)
    assert key(strategy="llm") != key(strategy="llm", llm=other)
