"""A real browser that tests drive: Chromium without a window, by the DevTools protocol over two pipes.

Nothing is installed for it: commands and events are JSON texts that end in a zero byte (`--remote-debugging-pipe`).
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--autoplay-policy=user-gesture-required",
    "--remote-debugging-pipe",
)  # fmt: skip
PATIENCE_S = 60
_KEYS = {
    "1": ("Digit1", 49), "2": ("Digit2", 50), "Enter": ("Enter", 13), "Backspace": ("Backspace", 8),
    "ArrowLeft": ("ArrowLeft", 37), "ArrowUp": ("ArrowUp", 38), "ArrowRight": ("ArrowRight", 39),
    "ArrowDown": ("ArrowDown", 40),
}  # fmt: skip


class Page:
    """A tab. `faults` collects what the console calls an error, exceptions nobody caught, and files that failed."""

    def __init__(self, to_browser: int, from_browser: int):
        self._to, self._from, self._buffer, self._count, self._session = to_browser, from_browser, b"", 0, None
        self._loads, self.faults = 0, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to one command; events that come meanwhile are looked through for faults."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._count:
            self._look_at(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], PATIENCE_S)
            piece = os.read(self._from, 1 << 20) if ready else b""
            assert piece, "the browser does not answer"
            self._buffer += piece
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)

    def _look_at(self, event: dict[str, Any]) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self._loads += 1
        elif method == "Runtime.exceptionThrown":
            self.faults.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.faults.append(json.dumps(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.faults.append(json.dumps(params["entry"]))

    def open(self, url: str) -> None:
        with self.loading():
            self.call("Page.navigate", url=url)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """What the block does makes the tab load a page; waits until that is there."""
        before = self._loads
        yield
        while self._loads == before:
            self._look_at(self._read())

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is; a promise is waited for."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def until(self, expression: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self.value(f"Boolean({expression})"):
            assert time.monotonic() < deadline, f"never true: {expression}; {self.faults}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        code, number = _KEYS[key]
        common = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="rawKeyDown", **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def click(self, selector: str) -> None:
        """A real click in the middle of an element."""
        place = """(() => { const e = document.querySelector(%s); e.scrollIntoView({block: "center"});
            const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"""
        box = self.value(place % json.dumps(selector))
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def resize(self, width: int, height: int, mobile: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


def find_browser() -> str:
    """The program, or the test is skipped."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser is installed (looked for {', '.join(NAMES)})")
    return found


@contextmanager
def browser(profile: Path, downloads: Path) -> Iterator[Page]:
    """A fresh browser with one tab; what it downloads goes to a folder."""
    program = find_browser()
    to_browser, from_browser = os.pipe(), os.pipe()
    # the browser reads from descriptor 3 and writes to 4, whatever the pipes are here
    ends = f"exec 3<&{to_browser[0]} 4>&{from_browser[1]}"
    shell = f'{ends} && exec "$0" "$@"'
    words = ["bash", "-c", shell, program, *OPTIONS, f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        words, pass_fds=(to_browser[0], from_browser[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    os.close(to_browser[0])
    os.close(from_browser[1])
    try:
        page = Page(to_browser[1], from_browser[0])
        downloads.mkdir(parents=True, exist_ok=True)
        page.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
        yield page
    finally:
        _end(process)
        os.close(to_browser[1])
        os.close(from_browser[0])


def _end(process: subprocess.Popen) -> None:
    """The browser and the processes it started, which are a session of their own."""
    try:
        os.killpg(process.pid, 15)
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait(10)
