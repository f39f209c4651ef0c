"""`study make`, a participant in a real browser, `study analyse`; and `render`."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gesturebench.cli import app
from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.corpus.standin.body import BODY_PATH
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json
from gesturebench.common.motion.export import load_motion, save_motion
from gesturebench.results.study import Key
from tests.gesturebench.studies import OTHER, TRUTH, generated_grid
from tests.results.study.browser import Page, browser, find_browser

pytest.importorskip("av", reason="videos need the package av")
PAIR = f"{TRUTH},{OTHER}"
SMALL = ("--pairs", PAIR, "--n", "2", "--seconds", "2", "--checks", "1", "--size", "128x160")
ASKED = "liveness", "beats"
PLACE = "document.getElementById('place').textContent"


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    """A generated grid, and a study of it whose participants save a file."""
    folder = tmp_path_factory.mktemp("study")
    generated_grid(folder)
    asked = [word for question in ASKED for word in ("--ask", question)]
    call(folder, "study", "make", "grid.yaml", *SMALL, *asked)
    return folder


def call(folder: Path, *words: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        app(list(words), standalone_mode=False)


@pytest.fixture
def page(tmp_path):
    with browser(tmp_path / "profile", tmp_path / "downloads") as page:
        yield page


def enter(page: Page, folder: Path, participant: str = "p1") -> None:
    page.open(f"{(folder / 'page' / 'index.html').as_uri()}?participant={participant}")
    page.until("!document.getElementById('welcome').hidden")
    page.press("Enter")
    page.until("!document.getElementById('trial').hidden")


def watch(page: Page) -> None:
    """Both videos, by keys; quickened, so that tests do not wait for them."""
    page.value("for (const v of document.querySelectorAll('video')) v.defaultPlaybackRate = v.playbackRate = 8")
    for key, side in (("1", "left"), ("2", "right")):
        page.press(key)
        page.until(f"now.watched.{side}")


def answer_all(page: Page, key: Key) -> None:
    """A participant who prefers the truth, and does what an attention check asks for."""
    videos = {trial.id: trial.marked or trial.videos[TRUTH] for trial in key.trials}
    for number in range(1, len(key.trials) + 1):
        page.until(f"{PLACE}.startsWith('Pair {number} ')")
        watch(page)
        shown = page.value("now.answer")
        for _ in key.questions:
            page.press("ArrowLeft" if shown["left"] == videos[shown["trial"]] else "ArrowRight")
        page.press("Enter")
    page.until("!document.getElementById('end').hidden")


def test_what_is_made_holds_every_trial_and_keeps_the_secret(here):
    key = Key.load(here / "study" / "key.json")
    assert (len(key.trials), len(key.checks), key.questions, key.is_standin) == (3, 1, ASKED, True)
    files = {path.stem for path in (here / "study" / "page" / "videos").iterdir()}
    assert files == {video for trial in key.trials for video in trial.videos.values()}
    assert len(files) == 5, "the check shares its unmarked video with another trial"
    assert {path.name for path in (here / "study").iterdir()} == {"page", "key.json"}
    text = (here / "study" / "page" / "index.html").read_text()
    for secret in (TRUTH, OTHER, "1_ada", "random_clip", "marked", *key.steps.values()):
        assert secret not in text


def test_equal_seeds_make_equal_studies(here):
    call(here, "study", "make", "grid.yaml", *SMALL, "--ask", "liveness", "--ask", "beats", "--out", "again")
    for path in (here / "study").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (here / "again" / path.relative_to(here / "study")).read_bytes()


@pytest.mark.parametrize(("words", "why"), [
    (("--pairs", f"{TRUTH},{OTHER[:-1]}"), "two rows with a comma"),
    (("--pairs", f"{TRUTH},Not run"), "is not there; expected a finished run; run `gesturebench run grid.yaml` first"),
    (("--pairs", PAIR, "--n", "99"), "--n 99; expected at most 3"),
    (("--pairs", PAIR, "--video", "avi"), "unknown kind of video 'avi'"),
    (("--pairs", PAIR, "--ask", "beauty"), "unknown question 'beauty'"),
    (("--pairs", PAIR, "--post", "here"), "--post here; expected an address"),
    (("--pairs", PAIR, "--out", "study"), "study: is there already; expected a new folder"),
])  # fmt: skip
def test_what_cannot_be_made_is_said_in_one_line(here, words, why):
    before = sorted(here.rglob("*"))
    with pytest.raises(InputError) as error:
        call(here, "study", "make", "grid.yaml", *(("--out", "new") if "--out" not in words else ()), *words)
    assert why in str(error.value)
    assert sorted(here.rglob("*")) == before


def test_a_participant_with_a_keyboard_ends_with_a_file_that_counts(here, page, tmp_path, capsys):
    key = Key.load(here / "study" / "key.json")
    enter(page, here / "study")
    answer_all(page, key)
    page.press("Enter")
    (saved,) = wait_for(tmp_path / "downloads", f"answers-{key.study}-p1.json")
    assert not page.faults
    told = read_json(saved)
    assert [told["participant"], told["study"]] == ["p1", key.study]
    assert told["started"] < told["ended"]
    assert all(answer["plays"] == {"left": 1, "right": 1} and answer["seconds"] > 0 for answer in told["answers"])
    call(here, "study", "analyse", str(saved), "--format", "csv")
    lines = [line.split(",") for line in capsys.readouterr().out.splitlines()[1:]]
    assert [line[-8:-5] for line in lines] == [["2", "2", line[-6]] for line in lines]
    assert len(lines) == len(ASKED)


def wait_for(folder: Path, name: str) -> list[Path]:
    import time

    deadline = time.monotonic() + 30
    while not (folder / name).is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    return sorted(folder.iterdir())


def test_every_control_does_what_it_says(here, page):
    enter(page, here / "study")
    pressed = "[...document.querySelectorAll('[aria-pressed=true]')].map((b) => b.parentNode.id + b.dataset.side)"
    current = "document.querySelector('.question.current').id"
    page.press("ArrowLeft")
    page.press("Enter")
    assert page.value(pressed) == [], "nobody answers before both are watched"
    assert page.value(PLACE) == "Pair 1 of 3"
    assert page.value("document.getElementById('hint').textContent") == "Please watch both videos to the end."
    page.click("#side-left .play")
    page.until("!videoOf('left').paused")
    page.press("2")
    page.until("!videoOf('right').paused && videoOf('left').paused")
    page.press("2")
    page.until("videoOf('right').paused")
    watch(page)
    assert page.value(current) == "question-liveness"
    page.press("ArrowDown")
    assert page.value(current) == "question-beats"
    page.press("ArrowRight")
    assert page.value(pressed) == ["question-beatsright"]
    assert page.value(current) == "question-liveness", "the one that is left"
    page.press("ArrowUp")
    page.click("#question-liveness [data-side=left]")
    page.click("#question-beats [data-side=left]")
    assert page.value(pressed) == ["question-livenessleft", "question-beatsleft"]
    page.click("#next")
    page.until(f"{PLACE} === 'Pair 2 of 3'")
    page.press("Backspace")
    page.until(f"{PLACE} === 'Pair 1 of 3'")
    assert page.value(pressed) == ["question-livenessleft", "question-beatsleft"]
    page.press("Backspace")
    assert page.value(PLACE) == "Pair 1 of 3"
    page.press("Enter")
    page.until(f"{PLACE} === 'Pair 2 of 3'")
    with page.loading():
        page.call("Page.reload")
    page.until(f"{PLACE} === 'Pair 2 of 3'")
    assert page.value("run.answers[0].choices") == dict.fromkeys(ASKED, page.value("run.answers[0].left"))
    assert not page.faults


def test_videos_play_with_their_sound(here, page):
    enter(page, here / "study")
    page.press("1")
    page.until("now.watched.left")
    assert page.value("videoOf('left').webkitAudioDecodedByteCount") > 0
    assert page.value("videoOf('left').getVideoPlaybackQuality().totalVideoFrames") > 20
    assert page.value("videoOf('left').duration") == pytest.approx(2, abs=0.1)
    assert not page.value("videoOf('left').muted")


@pytest.mark.parametrize(("width", "height"), [(1280, 860), (390, 844)])
def test_everything_fits_without_scrolling_sideways_or_down(here, page, width, height):
    page.resize(width, height, mobile=width < 600)
    enter(page, here / "study")
    page.until("videoOf('left').readyState >= 2 && videoOf('right').readyState >= 2")
    assert page.value("document.documentElement.scrollWidth") <= width
    assert page.value("document.getElementById('next').getBoundingClientRect().bottom") <= height
    tops = page.value("sides.map((side) => videoOf(side).getBoundingClientRect().top)")
    assert tops[0] == tops[1], "left and right are beside each other"


def test_order_and_sides_come_from_the_participants_seed(here, page):
    """As many as it takes to see both sides and several orders; the same participant is shown the same again."""
    enter(page, here / "study")
    plans = page.value("[...Array(40).keys()].map((i) => [newRun(`p${i}`), newRun(`p${i}`)])")
    key = Key.load(here / "study" / "key.json")
    orders, sides = set(), {trial.id: set() for trial in key.trials}
    for first, again in plans:
        assert [first["seed"], first["answers"]] == [again["seed"], again["answers"]]
        shown = {a["trial"]: {a["left"], a["right"]} for a in first["answers"]}
        assert shown == {trial.id: set(trial.videos.values()) for trial in key.trials}
        orders.add(tuple(shown))
        for answer in first["answers"]:
            sides[answer["trial"]].add(answer["left"])
    assert len(orders) == 6, "all of 3 trials"
    assert all(len(seen) == 2 for seen in sides.values())
    assert plans[0][0]["seed"] == fnv1a(f"{key.study}/p0")


def fnv1a(text: str) -> int:
    h = 0x811C9DC5
    for unit in text.encode("ascii"):
        h = (h ^ unit) * 0x01000193 % 2**32
    return h


class Receiver(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    def do_POST(self):
        self.server.received.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.server.status)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    def log_message(self, *words):
        pass


@pytest.mark.parametrize(("status", "outcome"), [(200, "have been sent"), (500, "could not be sent")])
def test_answers_are_posted_once_and_a_refusal_is_told(here, page, tmp_path, status, outcome):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.received, server.status = [], status
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address, out = f"http://127.0.0.1:{server.server_port}/answers", f"posted{status}"
    small = (*SMALL, "--n", "1", "--checks", "0", "--ask", "overall", "--video", "webm")
    call(here, "study", "make", "grid.yaml", *small, "--post", address, "--out", out)
    enter(page, here / out)
    answer_all(page, Key.load(here / out / "key.json"))
    page.until(f"document.getElementById('outcome').textContent.includes({json.dumps(outcome)})")
    with page.loading():
        page.call("Page.reload")
    page.until(f"document.getElementById('outcome').textContent.includes({json.dumps(outcome)})")
    server.shutdown()
    assert len(server.received) == (1 if status == 200 else 2), "sent again only after a refusal"
    (tmp_path / "posted.json").write_bytes(server.received[-1])
    call(here, "study", "analyse", str(tmp_path / "posted.json"), "--study", out)
    with page.loading():
        page.click("#another")
    page.until("!document.getElementById('welcome').hidden")
    assert page.value("run.participant") != "p1"


def test_no_answers_at_all_is_an_error(here, tmp_path, capfd):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(InputError, match="none of 1 files can be used"):
        call(here, "study", "analyse", str(tmp_path / "a.json"))
    assert "left out: " in capfd.readouterr().err


def test_a_browser_is_there_or_the_reason_is_told():
    assert Path(find_browser()).is_file()


@pytest.mark.parametrize("ending", ["mp4", "webm"])
def test_a_motion_file_becomes_a_video(here, tmp_path, capsys, ending):
    import av

    motion = tmp_path / "a.npz"
    save_motion(motion, load_motion(next((here / "runs" / "generate").rglob("*.npz"))).cut(0, 20))
    soundfile.write(tmp_path / "a.wav", np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    out = tmp_path / f"a.{ending}"
    words = ("--audio", str(tmp_path / "a.wav"), "--body", str(here / "corpus" / BODY_PATH), "--size", "96x120")
    call(here, "render", str(motion), *words, "--out", str(out))
    assert "20 frames at 30 fps" in capsys.readouterr().out
    with av.open(str(out)) as file:
        assert [stream.type for stream in file.streams] == ["audio", "video"]
        assert sum(1 for _ in file.decode(video=0)) == 20


@pytest.mark.parametrize(("words", "why"), [
    (("--out", "a.gif"), "unknown ending of a video '.gif'"), (("--size", "wide"), "--size wide; expected width and"),
    (("--size", "33x40"), "expected even sides"), (("--audio", "gone.wav"), "gone.wav: no such sound file"),
    (("--body", "gone.npz"), "gone.npz"),
])  # fmt: skip
def test_what_cannot_be_rendered_is_said_in_one_line(here, words, why):
    motion = next((here / "runs" / "generate").rglob("*.npz"))
    with pytest.raises(InputError) as error:
        call(here, "render", str(motion), *(("--out", "a.mp4") if "--out" not in words else ()), *words)
    assert why in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(here.glob("a.*"))
