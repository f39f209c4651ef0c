"""Published weights through the command line: from a hub on this machine to a table."""

from pathlib import Path

import pytest

from gesturebench.common.files import read_json
from tests.common.weights.local_hub import COMMIT, Hub, serving
from tests.methods.rag_gesture.released import Released

pytestmark = pytest.mark.slow
REPOSITORY = "m-hamza-mughal/rag-gesture-weights"
DATASET = "m-hamza-mughal/beat2-additional-annotations"


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    return Released.random().write(tmp_path_factory.mktemp("published"))


def test_weights_are_fetched_and_run(call, published, corpus, tmp_path):
    out, runs = tmp_path / "weights" / "rag_gesture", tmp_path / "runs"
    with serving(Hub(REPOSITORY, {**contents(published), "assets_deps/body.npz": b"-"})) as hub:
        done = call("weights", "fetch", "rag_gesture", "--out", out, HF_ENDPOINT=hub.url)
    assert done.returncode == 0, done.stderr
    assert f"{REPOSITORY} at {COMMIT} (main): 10 files" in done.stdout
    assert "10 files whole, the sha256 of 10 as the hub has it" in done.stdout
    passport = read_json(out / "passport.json")
    assert (passport["repository"], passport["revision"]) == (REPOSITORY, COMMIT)
    assert not (tmp_path / "weights" / "rag-gesture-weights" / "assets_deps").exists()

    grid = f"rag_gesture[weights={out}]"
    options = ("--data", corpus, "--protocol", "standin", "--preset", "tiny", "--metrics", "l1div", "--runs", runs)
    done = call("run", grid, *options)
    assert done.returncode == 0, done.stderr
    assert "fit denoiser" in done.stderr
    table = call("table", grid, *options, "--format", "csv")
    assert table.stdout.count(",done,") == 1, table.stdout + table.stderr


def test_no_network_ends_with_one_line_and_code_2(call, tmp_path):
    done = call("weights", "fetch", "rag_gesture", "--out", tmp_path / "own", HF_ENDPOINT="http://127.0.0.1:9")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "cannot be reached" in done.stderr
    assert not (tmp_path / "own").exists()


def test_the_dataset_is_fetched_without_what_is_not_read(call, corpus, tmp_path):
    files = {f"beat_english_v2.0.0/{name}": content for name, content in contents(corpus).items()}
    clip = next(name for name in files if name.endswith(".npz") and "smplxflame_30" in name)
    files["beat_english_v2.0.0/smplxflame_25/other.npz"] = b"-"
    with serving(Hub(DATASET, files, kind="datasets")) as hub:
        done = call("data", "fetch", "--out", tmp_path, HF_ENDPOINT=hub.url)
        few = call("data", "fetch", "--out", tmp_path / "few", "--include", "*/sem/*", HF_ENDPOINT=hub.url)
    assert done.returncode == 0, done.stderr
    assert "for non-commercial use only" in done.stdout
    assert (tmp_path / clip).read_bytes() == files[clip]
    assert not (tmp_path / "beat_english_v2.0.0/smplxflame_25").exists()
    assert f"gesturebench data check {tmp_path / 'beat_english_v2.0.0'}" in done.stdout
    assert few.returncode == 0, few.stderr
    assert {path.parent.name for path in (tmp_path / "few/beat_english_v2.0.0").rglob("*") if path.is_file()} == {"sem"}
