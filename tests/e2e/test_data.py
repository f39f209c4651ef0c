"""`gesturebench data`: look, check and prepare, and go on after a kill."""

import hashlib
import json
import shutil
import time
from pathlib import Path


def contents(runs: Path) -> dict[str, str]:
    """Every file of the one clip store below a runs folder but its record, which knows the time."""
    (store,) = (runs / "prepare").iterdir()
    files = [path for path in store.rglob("*") if path.is_file() and path.name != "record.json"]
    return {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_info_tells_speakers_emotions_and_hours(call, corpus):
    done = call("data", "info", corpus)
    assert done.returncode == 0, done.stderr
    for words in ("12 clips", "h of motion with audio", "1 ada", "2 bruno", "neutral", "prominence", "train"):
        assert words in done.stdout


def test_check_of_a_whole_corpus(call, corpus):
    done = call("data", "check", corpus, "--json", "--workers", 1)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["n_clips"], told["findings"]) == (12, [])
    assert call("data", "check", corpus / "nowhere").returncode == 2


def test_prepare_makes_the_store_that_grids_use(call, corpus, grid, tmp_path):
    done = call("data", "prepare", corpus, "--runs", tmp_path, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert "12 clips" in done.stdout
    assert "prepare" not in call("run", grid, "--runs", tmp_path, "--dry-run").stdout
    before = contents(tmp_path)
    assert call("data", "prepare", corpus, "--runs", tmp_path).returncode == 0
    assert contents(tmp_path) == before


def test_a_killed_prepare_goes_on(call, start, corpus, runs, tmp_path):
    words = ("data", "prepare", corpus, "--runs", tmp_path, "--workers", 1)
    process = start(*words)
    while process.poll() is None and not list(tmp_path.glob(".work/*/work/store/chunks/*.json")):
        time.sleep(0.01)
    process.kill()
    process.wait()
    done = call(*words)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path) == contents(runs)


def test_prepare_names_what_it_cannot_use(call, tmp_path):
    done = call("data", "prepare", tmp_path / "nowhere", "--runs", tmp_path / "runs")
    assert done.returncode == 2
    assert "nowhere: no such folder" in done.stderr


def test_prepare_tells_a_broken_clip_once(call, corpus, tmp_path):
    broken = shutil.copytree(corpus, tmp_path / "corpus")
    clip = next(broken.rglob("smplxflame_30/*.npz"))
    clip.write_bytes(clip.read_bytes()[:500])
    done = call("data", "prepare", broken, "--runs", tmp_path / "runs", "--workers", 1)
    assert done.returncode == 2
    assert done.stderr.count(clip.name) == 1, done.stderr
