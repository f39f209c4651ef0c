"""A hub on this machine: as much of its protocol as downloads need, over HTTP."""

import hashlib
import json
import re
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + 34 * "0"


class Hub(ThreadingHTTPServer):
    """Serves `files` of one repository. `token`: the one that is asked for; `fails` = {path: bytes sent before the
    connection breaks}, once each; `lies`: paths whose content is not what the hub says; `asked`: every request."""

    daemon_threads = True

    def __init__(self, repository: str, files: dict[str, bytes], *, kind: str = "models", token: str | None = None):
        super().__init__(("127.0.0.1", 0), _Answers)
        self.repository, self.files, self.kind, self.token = repository, files, kind, token
        self.fails: dict[str, int] = {}
        self.lies: set[str] = set()
        self.gated = False
        self.asked: list[tuple[str, str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(hub: Hub):
    thread = threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *words: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        hub, path = self.server, unquote(urlsplit(self.path).path)
        hub.asked.append((self.command, path, self.headers.get("Range")))
        prefix = "" if hub.kind == "models" else f"{hub.kind}/"
        if re.fullmatch(rf"/api/{hub.kind}/{hub.repository}/(revision|tree)/[^/]+", path):
            self._describe(path)
        elif path.startswith(f"/{prefix}{hub.repository}/resolve/{COMMIT}/"):
            self._send_file(path.split(f"/resolve/{COMMIT}/")[1], with_body)
        else:
            self._refuse(404, "RepoNotFound")

    def _describe(self, path: str) -> None:
        hub, revision = self.server, path.rsplit("/", 1)[1]
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self._refuse(*((403, "GatedRepo") if hub.gated else (401, "RepoNotFound")))
        if revision not in ("main", COMMIT):
            return self._refuse(404, "RevisionNotFound")
        described = [self._file(name, content, tree="/tree/" in path) for name, content in hub.files.items()]
        whole = {"id": hub.repository, "sha": COMMIT, "siblings": described, "private": False, "tags": []}
        return self._json(described if "/tree/" in path else whole)

    def _file(self, name: str, content: bytes, *, tree: bool) -> dict:
        sha256, size = hashlib.sha256(content).hexdigest(), len(content)
        if tree:
            lfs = {"oid": sha256, "size": size, "pointerSize": 130}
            return {"type": "file", "path": name, "size": size, "oid": 40 * "a", "lfs": lfs}
        return {"rfilename": name, "size": size, "lfs": {"sha256": sha256, "size": size, "pointerSize": 130}}

    def _send_file(self, name: str, with_body: bool) -> None:
        hub, content = self.server, self.server.files[name]
        etag = hashlib.sha256(content).hexdigest()
        if name in hub.lies:
            content = bytes(len(content))
        first = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0] or 0)
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(content) - first))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if not with_body:
            return
        if name in hub.fails:
            self.wfile.write(content[first : hub.fails.pop(name)])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            self.wfile.write(content[first:])

    def _json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, code: int, reason: str) -> None:
        self.send_response(code)
        self.send_header("X-Error-Code", reason)
        self.send_header("Content-Length", "0")
        self.end_headers()
