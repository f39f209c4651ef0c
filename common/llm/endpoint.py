"""An HTTP endpoint that speaks OpenAI's chat protocol: OpenAI itself, vLLM, llama.cpp, Ollama and many others."""

import json
import os
import time
import zlib
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from gesturebench.common.errors import InputError, shown
from gesturebench.common.llm.config import PUBLISHED_MODEL, LLMConfig
from gesturebench.common.llm.dotenv import secret
from gesturebench.common.llm.prompt import Question

OPENAI = "https://api.openai.com/v1"
KEY, BASE = "OPENAI_API_KEY", "OPENAI_BASE_URL"
"""Environment variables, the names that OpenAI's own client reads."""

PASSING = (408, 409, 425, 429, 500, 502, 503, 504, 529)
"""Status codes of what may be over in a moment."""
LONGEST_WAIT_S = 120.0
"""An endpoint that asks for more is not waited for: a quota is used up."""


class _Passing(Exception):
    """A failure that may be over in a moment; `wait_s` is how long the endpoint asked us to wait, if it did."""

    def __init__(self, what: str, wait_s: float | None = None):
        super().__init__(what)
        self.wait_s = wait_s


class Endpoint:
    """The chat completions of one endpoint. `sleep` waits between tries."""

    is_cached = True

    def __init__(self, config: LLMConfig, sleep: Callable[[float], None] = time.sleep):
        self.config, self._sleep = config, sleep
        self.model = config.model or PUBLISHED_MODEL

    def reply(self, question: Question) -> str:
        url, key = self._url(), secret(KEY)
        if key is None and url.startswith(OPENAI):
            raise InputError(
                f"no key for {url}", expected=f"{KEY} in the environment or in a .env file", remedy=_OTHER_PROVIDERS
            )
        request = Request(url, json.dumps(self._body(question)).encode(), _headers(key), method="POST")
        return _content(self._answered(request, key), url)

    def _url(self) -> str:
        """Where completions are: `/v1` is added to a bare host."""
        base = (self.config.url or os.environ.get(BASE) or OPENAI).rstrip("/")
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise InputError(f"url {base!r}", expected="one like http://localhost:8000/v1", remedy="correct the value")
        base = base if parts.path else f"{base}/v1"
        return base if base.endswith("/chat/completions") else f"{base}/chat/completions"

    def _body(self, question: Question) -> dict[str, Any]:
        sampling = self.config.model_dump(include={"temperature", "seed", "max_tokens"})
        sent = {name: value for name, value in sampling.items() if value is not None}
        return {"model": self.model, "messages": question.messages, **sent}

    def _answered(self, request: Request, key: str | None) -> bytes:
        """The body of the first answer; what may pass is waited out, twice as long each time."""
        for attempt in range(1, self.config.tries + 1):
            try:
                return self._send(request, key)
            except _Passing as failure:
                if attempt == self.config.tries:
                    tried = "once" if attempt == 1 else f"{attempt} times"
                    raise InputError(
                        f"{request.full_url}: {failure}, tried {tried}",
                        remedy="try again later: replies so far are kept; or raise `tries` or `timeout_s`",
                    ) from failure
                wait_s = failure.wait_s if failure.wait_s is not None else _backoff_s(attempt, request.data)
                self._sleep(wait_s)
        raise AssertionError("tries is at least 1")

    def _send(self, request: Request, key: str | None) -> bytes:
        url = request.full_url
        try:
            with build_opener(_NoRedirects).open(request, timeout=self.config.timeout_s) as response:
                return response.read()
        except HTTPError as error:
            with error:
                raise self._refusal(error, key) from error
        except TimeoutError as error:
            raise _Passing(f"no answer within {self.config.timeout_s:g} s") from error
        except URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise _Passing(f"no answer within {self.config.timeout_s:g} s") from error
            raise InputError(f"{url}: cannot be reached ({_line(error.reason)})", remedy=_START) from error
        except (HTTPException, ConnectionError) as error:
            raise _Passing(f"the connection broke ({type(error).__name__})") from error

    def _refusal(self, error: HTTPError, key: str | None) -> Exception:
        url, code = error.url, error.code
        if code in PASSING:
            wait_s = retry_after_s(error.headers.get("Retry-After"), time.time())
            if wait_s is not None and wait_s > LONGEST_WAIT_S:
                return InputError(f"{url}: {code}, try again in {wait_s:.0f} s", remedy="run again then")
            return _Passing(f"{code} {error.reason}", wait_s)
        said = _said(_rest(error), key)
        if code in (401, 403):
            given = "the key was refused" if key else "it wants a key"
            return InputError(f"{url}: {code}, {given}", remedy=f"set {KEY} in the environment or in a .env file")
        if code == 404:
            return InputError(
                f"{url}: 404, no such address or no model {self.model!r} ({said})", remedy="correct `url` or `model`"
            )
        if 300 <= code < 400:
            return InputError(f"{url}: sends us on to {shown(error.headers.get('Location'))}", remedy="correct `url`")
        return InputError(f"{url}: {code} {said}", remedy="set what it does not know to null, or correct it")


class _NoRedirects(HTTPRedirectHandler):
    """The key goes to the address it was meant for and to no other."""

    def redirect_request(self, *args: Any) -> None:
        return None


_OTHER_PROVIDERS = "set it, set `url` to a server of your own, or choose provider `rules` or `transformers`"
_START = "start the server, or correct `url`"


def retry_after_s(value: str | None, now: float) -> float | None:
    """Seconds that a header Retry-After asks for: a number, or a date; None if it is neither.

    >>> retry_after_s("7", 0.0), retry_after_s("Thu, 01 Jan 1970 00:00:30 GMT", 10.0), retry_after_s("soon", 0.0)
    (7.0, 20.0, None)
    """
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - now, 0.0)
    except ValueError:
        return None


def _backoff_s(attempt: int, body: bytes) -> float:
    """1, 2, 4 ... s, up to half as much again, by the question: processes that were refused together return apart."""
    return min(2.0 ** (attempt - 1) * (1 + zlib.crc32(body) / 2**33), LONGEST_WAIT_S)


def _headers(key: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "gesturebench"}
    return {**headers, "Authorization": f"Bearer {key}"} if key else headers


def _content(body: bytes, url: str) -> str:
    """The text of the first choice; a message without text (a refusal) is an empty reply."""
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise InputError(
            f"{url}: the answer is not JSON: {shown(_line(body))}", remedy="correct `url`, it may be of a web page"
        ) from error
    try:
        content = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError) as error:
        raise InputError(
            f"{url}: the answer has no message: {shown(_line(body))}",
            expected="choices[0].message.content",
            remedy="name an endpoint of chat completions in `url`",
        ) from error
    return content if isinstance(content, str) else ""


def _rest(error: HTTPError) -> bytes:
    """What can be had of an error's body; the error itself is known."""
    try:
        return error.read()
    except (OSError, HTTPException):
        return b""


def _said(body: bytes, key: str | None) -> str:
    """What an error's body says, in one line and without the key."""
    try:
        answer = json.loads(body)
        told = answer.get("error", answer)
        text = told if isinstance(told, str) else told.get("message") or told.get("detail") or answer
    except (ValueError, AttributeError):
        text = body
    line = _line(text)
    return shown(line.replace(key, "...") if key else line)


def _line(text: Any) -> str:
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return " ".join(text.split())
