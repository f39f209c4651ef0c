"""The verb `figure`, from the command line to the file."""

import pytest

from gesturebench.benchmarks.state import RunStore
from gesturebench.cli import app
from gesturebench.common.errors import InputError
from gesturebench.picturing import default_file
from gesturebench.planning import open_plan
from tests.results.made_up import fill, fits, leave_curve

GRID = """
title: A sweep
data: standin:tiny
protocol: standin
preset: tiny
seeds: 0..1
metrics: [fgd, bc]
base: {rag_gesture: {retrieval: discourse, guidance: paper}}
rows:
  - {label: Ground truth, method: ground_truth, group: anchor, seeds: 0}
  - {label: "rate {guidance.lr}", method: rag_gesture, axes: [{guidance.lr: [0.0, 0.1, 0.5]}]}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a grid and a store in which one cell of it is missing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.yaml").write_text(GRID)
    plan, store = open_plan("sweep.yaml", tmp_path / "runs"), RunStore(tmp_path / "runs")
    fill(plan, store, lambda cell, key: 1 + cell.row.values.get("guidance.lr", 0.0), without=["rate 0.5"])
    for step in fits(plan)[:3]:
        leave_curve(step, store, [{"step": 10, "loss": 1.0}, {"step": 20, "loss": 0.5}])
    return tmp_path


def figure(*words: str) -> None:
    app(["figure", *words], standalone_mode=False)


def contents(folder) -> dict:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("words", [
    ("--kind", "interval"), ("--kind", "axis", "--metric", "fgd", "--metric", "bc"), ("--kind", "curves"),
    ("--kind", "axis", "--axis", "guidance.lr"),
])  # fmt: skip
def test_a_partial_store_is_drawn_and_only_read(here, words):
    before = contents(here / "runs")
    figure("sweep.yaml", *words)
    (made,) = here.glob("*.svg")
    assert made.name == f"sweep-{words[1]}.svg"
    assert made.read_text().startswith("<?xml")
    assert contents(here / "runs") == before


@pytest.mark.parametrize(("name", "start"), [("a.pdf", b"%PDF"), ("a.PNG", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_the_ending_decides(here, name, start):
    figure("sweep.yaml", "--out", name)
    assert (here / name).read_bytes().startswith(start)


def test_ranks_of_too_few_rows_are_refused(here):
    with pytest.raises(InputError, match="nothing to rank"):
        figure("sweep.yaml", "--kind", "ranks")
    assert not list(here.glob("*.svg"))


@pytest.mark.parametrize(("words", "told"), [
    (("--out", "a.gif"), "unknown ending of --out '.gif'"),
    (("--kind", "forest"), "unknown kind of figure 'forest'"),
    (("--metric", "fgdd"), "did you mean 'fgd'"),
    (("--kind", "axis", "--axis", "guidance.rl"), "did you mean 'guidance.lr'"),
    (("--axis", "guidance.lr"), "--axis guidance.lr with --kind interval"),
    (("--test", "wilcoxon"), "--test wilcoxon with --kind interval"),
    (("--published", "exges-table3"), "is not filled by grid 'sweep.yaml'"),
    (("--published", "exges-tabel3"), "did you mean 'exges-table3'"),
    (("--out", "runs"), "unknown ending"),
    (("--out", "nowhere.svg/a.svg", "--kind", "curves", "--metric", "los"), "did you mean 'loss'"),
])  # fmt: skip
def test_what_cannot_be_is_said_in_one_line(here, words, told):
    with pytest.raises(InputError) as error:
        figure("sweep.yaml", *words)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert not [path for path in here.rglob("*") if path.suffix in (".svg", ".part") and path.is_file()]


def test_the_default_file_is_named_after_the_grid():
    assert default_file("grids/my.yaml", "axis").as_posix() == "my-axis.svg"
    assert (
        default_file("rag_gesture[guidance.lr=0.1,0.2]", "ranks").as_posix()
        == "rag_gesture-guidance.lr-0.1-0.2-ranks.svg"
    )
