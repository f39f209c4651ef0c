"""The verb `retrieval`: nothing is trained, and what is retrieved is shown as a table, as JSON and as a picture."""

import json
import re

import pytest

from gesturebench.benchmarks.state import RECORD
from gesturebench.cli import app
from gesturebench.common.corpus.standin.generate import generate_corpus
from gesturebench.common.corpus.standin.presets import StandinPreset
from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from gesturebench.planning import open_plan
from gesturebench.retrieval_picture import timeline
from gesturebench.retrieval_report import placement_text

SIZES = StandinPreset(speakers=2, clips=6, sentences=2, test_share=0.34, val_share=0.17)
GRID = """
title: Retrieval
data: {corpus}
protocol: standin
preset: tiny
metrics: [bc]
rows:
  - {{label: Ground truth, method: ground_truth, group: anchor}}
  - {{label: none, method: rag_gesture, config: {{retrieval: none}}}}
  - {{label: words, method: rag_gesture, config: {{retrieval: llm, retrieval.window_stride: 30}}}}
  - {{label: places, method: rag_gesture, config: {{retrieval: positions, retrieval.window_stride: 30}}}}
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A grid whose data are prepared and nothing else."""
    folder = tmp_path_factory.mktemp("retrieval")
    generate_corpus(SIZES, folder / "corpus", workers=1)
    (folder / "grid.yaml").write_text(GRID.format(corpus=folder / "corpus"))
    prepare = open_plan(str(folder / "grid.yaml"), folder / "runs").prepare
    build_store(folder / "corpus", prepare.folder(folder / "runs"))
    write_json(prepare.folder(folder / "runs") / RECORD, {"spec": dict(prepare.spec)})
    return folder


@pytest.fixture
def retrieval(here, monkeypatch, capsys):
    """`retrieval(*words)`: what the verb prints about the grid."""
    monkeypatch.chdir(here)

    def call(*words: str) -> str:
        app(["retrieval", "grid.yaml", *words], standalone_mode=False)
        return capsys.readouterr().out

    return call


def reports(retrieval, *words: str) -> list:
    return json.loads(retrieval("--format", "json", *words))


def test_the_first_row_that_retrieves_is_shown_clip_by_clip(here, retrieval):
    (store,) = (here / "runs" / "prepare").iterdir()
    clips = ClipStore.open(store).split("test")
    told = reports(retrieval)
    assert sorted(report["clip"] for report in told) == sorted(clips)
    assert {report["strategy"] for report in told} == {"llm"}
    table = retrieval()
    points = [point for report in told for window in report["windows"] for point in window["points"]]
    assert points
    for clip in clips:
        assert f"{clip}, " in table
    for point in points:
        assert f"{point['word']} ({point['kind']})" in table
        assert placement_text(point) in table
    placed = sum(point["placed"] is not None for point in points)
    assert f"words: {placed} of {len(points)} query points placed in {len(clips)} clips" in table


def test_one_row_one_clip_and_more_of_its_ranked_lists(retrieval):
    clip = reports(retrieval)[-1]["clip"]
    (report,) = reports(retrieval, "--row", "words", "--clip", clip)
    longest = max(len(p["ranked"]) for window in report["windows"] for p in window["points"])
    table = retrieval("--clip", clip, "--ranks", "3")
    assert len(re.findall(r"^ +3\. ", table, re.MULTILINE)) == sum(
        len(p["ranked"]) >= 3 for window in report["windows"] for p in window["points"]
    )
    assert longest >= 3


def test_controls_have_a_seed_and_no_scores(retrieval):
    first, again, other = (reports(retrieval, "--row", "places", "--seed", seed) for seed in ("0", "0", "5"))
    assert first == again != other
    points = [point for report in first for window in report["windows"] for point in window["points"]]
    assert points
    assert all(not point["ranked"] and point["found"] for point in points)


def test_a_picture_of_a_clip(here, retrieval):
    assert re.fullmatch(r"Timeline of \S+: clip\.svg", retrieval("--picture", "clip.svg").strip())
    assert (here / "clip.svg").read_bytes().startswith(b"<?xml")
    retrieval("--picture", "clip.png")
    assert (here / "clip.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_holds_words_points_gestures_and_reasons():
    """Every text of a report that has room stands in the strip where it belongs."""
    found = {"clip": "1_ada_0_9_9", "window_s": 0.0, "what": "huge (iconic)", "start_s": 3.0, "end_s": 3.5, "score": 0}
    slots = {"slots": [2, 5], "source_slots": [2, 5], "wished_slots": [2, 5], "start_s": 11.0, "end_s": 14.0}
    asked = {"word": "big", "kind": "iconic", "start_s": 12.0, "end_s": 12.5, "prominence": None, "ranked": []}
    point = {**asked, "found": found, "placed": slots, "dropped": None}
    lost = {**asked, "word": "tall", "start_s": 5.0, "end_s": 5.2, "found": None, "placed": None, "dropped": "no room"}
    windows = [{"start_s": 0.0, "end_s": 10.0, "points": [lost]}, {"start_s": 9.0, "end_s": 19.0, "points": [point]}]
    words = [["so", 1.0, 1.2], ["big", 12.0, 12.5]]
    report = {
        "clip": "1_ada_0_1_1",
        "strategy": "llm",
        "seed": 0,
        "duration_s": 14.0,
        "words": words,
        "windows": windows,
    }
    panels = [axes for part in timeline("words", report).subfigs for axes in part.axes]
    texts = [{text.get_text() for text in panel.texts} for panel in panels]
    assert [panel.get_xlim() for panel in panels] == [(0, 10), (10, 20)]
    assert texts[0] == {"so", "tall", "no room"}
    assert texts[1] == {"big", "huge (iconic)", "1_ada_0_9_9 at 3.0 s", "control"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--row", "none"], "row 'none' retrieves nothing"),
        (["--row", "Ground truth"], "row 'Ground truth' retrieves nothing"),
        (["--row", "word"], "unknown row 'word'.*did you mean 'words'"),
        (["--clip", "1_ada_0_99_99"], "unknown clip '1_ada_0_99_99'"),
        (["--format", "tabel"], "unknown format 'tabel'.*did you mean 'table'"),
        (["--picture", "x.gif"], "'.gif'"),
        (["--picture", "grid.yaml/x.svg"], "grid.yaml"),
    ],
)
def test_faults_are_told_in_a_line(retrieval, words, message):
    with pytest.raises(InputError, match=message):
        retrieval(*words)


def test_without_prepared_data_it_says_what_prepares_them(tmp_path, retrieval):
    with pytest.raises(InputError, match=r"run `gesturebench run grid.yaml --runs .*` first"):
        retrieval("--runs", str(tmp_path / "elsewhere"))


@pytest.mark.parametrize(
    ("wished", "slots", "text"),
    [
        ([2, 5], [2, 5], "1.00 to 2.00, slots 2 to 4"),
        ([2, 5], [3, 6], "1.00 to 2.00, slots 3 to 5, moved"),
        ([7, 10], [7, 9], "1.00 to 2.00, slots 7 to 8, shortened"),
        ([7, 10], [8, 10], "1.00 to 2.00, slots 8 to 9, moved and shortened"),
    ],
)
def test_what_happened_on_the_way(wished, slots, text):
    placed = {"slots": slots, "wished_slots": wished, "moved": wished != slots, "start_s": 1.0, "end_s": 2.0}
    assert placement_text({"placed": placed, "dropped": None}) == text
