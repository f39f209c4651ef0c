"""A real HTTP server on this machine that speaks as much of the chat protocol as a test scripts."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Said:
    """One answer of the server; `hang` keeps silent until the test is over, `cut` breaks the connection."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    cut: bool = False


def message(content: str | None) -> Said:
    return Said(body=json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode())


@dataclass
class Server:
    """`asked` are the requests so far: path, headers and body."""

    url: str
    answer: Callable[[dict[str, Any]], Said]
    asked: list[dict[str, Any]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        talk: Server = self.server.talk
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        talk.asked.append({"path": self.path, "headers": dict(self.headers), "body": body})
        said = talk.answer(body)
        if said.hang:
            talk.over.wait(20)
        if said.hang or said.cut:
            self.close_connection = True
            return
        self.send_response(said.status)
        for name, value in {"Content-Length": str(len(said.body)), **said.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said.body)

    def log_message(self, *args):
        pass


@contextmanager
def serving(answer: Callable[[dict[str, Any]], Said] | list[Said]) -> Iterator[Server]:
    """A server that answers by a function of the request's body, or with one answer after the other."""
    if isinstance(answer, list):
        rest = iter(answer)
        answer = lambda body: next(rest)  # noqa: E731
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    httpd.talk = Server(f"http://127.0.0.1:{httpd.server_port}", answer)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield httpd.talk
    finally:
        httpd.talk.over.set()
        httpd.shutdown()
        httpd.server_close()
        thread.join()
