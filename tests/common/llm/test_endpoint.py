"""Chat completions over HTTP, against a real server on this machine."""

import socket

import pytest

from gesturebench.common.errors import InputError
from gesturebench.common.llm import LLMConfig
from gesturebench.common.llm.dotenv import secret
from gesturebench.common.llm.endpoint import LONGEST_WAIT_S, Endpoint
from gesturebench.common.llm.prompt import Question
from tests.common.llm.chat_server import Said, message, serving

QUESTION = Question("the {big} house", 2, "words-1")


def replied(url: str, slept: list[float] | None = None, **settings) -> str:
    sleep = (slept if slept is not None else []).append
    return Endpoint(LLMConfig(provider="openai", url=url, **settings), sleep).reply(QUESTION)


def refused(url: str, **settings) -> str:
    """The one line that the user reads."""
    with pytest.raises(InputError) as caught:
        replied(url, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_sent_and_what_comes_back(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", " secret\n")
    with serving([message("[('big', 'iconic')]"), message(None)]) as server:
        assert replied(server.url) == "[('big', 'iconic')]"
        assert replied(f"{server.url}/v1/", model="llama", temperature=None, seed=None, max_tokens=None) == ""
    first, second = server.asked
    assert first["path"] == second["path"] == "/v1/chat/completions"
    assert first["headers"]["Authorization"] == "Bearer secret"
    sampling = {"model": "gpt-4o-mini", "temperature": 0.0, "seed": 0, "max_tokens": 256}
    assert first["body"] == {**sampling, "messages": QUESTION.messages}
    assert second["body"] == {"model": "llama", "messages": QUESTION.messages}
    asked = "Name at most 2 important words with their types for this text:\nthe {big} house"
    assert QUESTION.messages[1] == {"role": "user", "content": asked}


@pytest.mark.parametrize(("base", "path"), [("", "/v1"), ("/api/v2", "/api/v2"), ("/v1/chat/completions", "/v1")])
def test_the_address_is_completed(base, path):
    with serving([message("[]")]) as server:
        replied(server.url + base)
    assert server.asked[0]["path"] == f"{path}/chat/completions"


def test_the_environment_names_the_endpoint_where_the_configuration_does_not(monkeypatch):
    with serving([message("[]")]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        assert replied(None) == "[]"
    assert "Authorization" not in server.asked[0]["headers"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_waited_out(status):
    slept: list[float] = []
    with serving([Said(status), Said(status), message("[]")]) as server:
        assert replied(server.url, slept) == "[]"
    assert len(server.asked) == 3
    assert 1 <= slept[0] < 2 <= slept[1] < 4


def test_the_wait_that_the_endpoint_asks_for_is_kept():
    slept: list[float] = []
    told = [Said(429, headers={"Retry-After": wait}) for wait in ("7", "Thu, 01 Jan 1970 00:00:00 GMT", "soon")]
    with serving([*told, message("[]")]) as server:
        replied(server.url, slept)
    assert slept[:2] == [7.0, 0.0]
    assert slept[2] >= 4.0
    with serving(lambda body: Said(429, headers={"Retry-After": str(int(LONGEST_WAIT_S) + 1)})) as server:
        assert "429, try again in 121 s; run again then" in refused(server.url)
    assert len(server.asked) == 1


def test_a_broken_connection_and_silence_are_tried_again():
    with serving([Said(cut=True), Said(hang=True), message("[]")]) as server:
        assert replied(server.url, timeout_s=0.2) == "[]"
    with serving(lambda body: Said(hang=True)) as server:
        assert "no answer within 0.1 s, tried 2 times; try again later" in refused(server.url, timeout_s=0.1, tries=2)
    with serving(lambda body: Said(503)) as server:
        assert "503 Service Unavailable, tried once" in refused(server.url, tries=1)


def test_a_message_that_is_cut_off_is_tried_again():
    half = Said(body=b'{"choices": [', headers={"Content-Length": "1000", "Connection": "close"})
    with serving([half, message("[]")]) as server:
        assert replied(server.url) == "[]"
    assert len(server.asked) == 2


def test_refusals_say_what_to_do(monkeypatch):
    with serving(lambda body: Said(401, b'{"error": {"message": "bad key"}}')) as server:
        assert "401, it wants a key; set OPENAI_API_KEY in the environment or in a .env file" in refused(server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "secret")
        assert "401, the key was refused" in refused(server.url)
    with serving(lambda body: Said(404, b'{"detail": "no\\nsuch model"}')) as server:
        found = refused(server.url, model="llama")
        assert "404, no such address or no model 'llama' ('no such model'); correct `url` or `model`" in found
    with serving(lambda body: Said(400, b'{"error": {"message": "secret: unknown field seed"}}')) as server:
        assert "400 '...: unknown field seed'; set what it does not know to null" in refused(server.url)
    assert len(server.asked) == 1


def test_the_key_is_not_sent_on(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with serving(lambda body: message("[]")) as stranger:
        with serving([Said(307, headers={"Location": stranger.url})]) as server:
            assert f"sends us on to '{stranger.url}'; correct `url`" in refused(server.url)
        assert stranger.asked == []


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"<html>\n<h1>Welcome</h1>", "the answer is not JSON: '<html> <h1>Welcome</h1>'"),
        (b"\xff\xfe", "the answer is not JSON"),
        (b"[]", "the answer has no message: '[]'; expected choices[0].message.content"),
        (b'{"choices": []}', "the answer has no message"),
        (b'{"error": {"message": "out of credit"}}', "out of credit"),
    ],
)
def test_an_answer_of_another_kind_is_shown(body, what):
    with serving([Said(body=body)]) as server:
        assert what in refused(server.url)


def test_nobody_there_wrong_address_no_key():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "cannot be reached" in (found := refused(f"http://127.0.0.1:{port}"))
    assert "start the server, or correct `url`" in found
    for url in ("localhost:8000", "ftp://x/v1", "http://"):
        assert "expected one like http://localhost:8000/v1" in refused(url)
    assert "no key for https://api.openai.com/v1/chat/completions; expected OPENAI_API_KEY" in refused(None)


def test_the_key_may_lie_in_a_file(monkeypatch, tmp_path):
    assert secret("OPENAI_API_KEY", tmp_path) is None
    (tmp_path / ".env").write_text("# mine\nOTHER=1\nexport OPENAI_API_KEY='from file' # of the lab\nnonsense\n")
    assert secret("OPENAI_API_KEY") == "from file"  # the folder we are in
    monkeypatch.setenv("OPENAI_API_KEY", "from environment")
    assert secret("OPENAI_API_KEY") == "from environment"
    (tmp_path / ".env").write_bytes(b"\xff\xfe")
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(InputError, match="mend or delete it"):
        secret("OPENAI_API_KEY")
