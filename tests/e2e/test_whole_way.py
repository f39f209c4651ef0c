"""From a folder in BEAT2's layout to a table, through the command line, with real methods at toy size."""

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gesturebench.benchmarks.claims import Claims
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.step import Step
from gesturebench.common.files import read_json
from gesturebench.common.motion.export import load_motion
from gesturebench.planning import open_plan

pytestmark = pytest.mark.slow


def table(call, grid: Path, runs: Path) -> str:
    done = call("table", grid, "--runs", runs, "--format", "csv")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_is_complete_and_a_second_run_has_nothing_to_do(call, grid, runs):
    text = table(call, grid, runs)
    assert text.count(",done,") == 3 * 2
    again = call("run", grid, "--runs", runs)
    assert again.returncode == 0
    assert ", 0 to do" in again.stderr


def test_records_carry_their_passport(grid, runs):
    plan = open_plan(str(grid), runs)
    record = RunStore(runs).record(plan.cells_of("RAG")[0].evaluate["bc"])
    assert record["protocol_hash"] == plan.protocol.hash
    assert record["versions"]["torch"]
    assert record["threads"] == 1
    assert record["inputs"]["store"] == plan.prepare.key
    assert RunStore(runs).record(plan.cells_of("RAG")[0].generate)["query"] == "annotation"


@pytest.mark.parametrize("metric", ["bc", "l1div"])
def test_a_score_is_the_weighted_mean_of_its_clips(grid, runs, metric):
    """What intervals over clips are drawn from must add up to the number they surround."""
    step = open_plan(str(grid), runs).cells_of("RAG")[0].evaluate[metric]
    clips = read_json(step.folder(runs) / "per_clip.json").values()
    values = [clip[metric] for clip in clips if metric in clip]
    weights = [clip.get(f"{metric}_n", clip["frames"]) for clip in clips if metric in clip]
    assert np.average(values, weights=weights) == pytest.approx(RunStore(runs).record(step)["metrics"][metric])


def _kill_while(start, step: Step, grid: Path, runs: Path, number: int) -> None:
    """Start a run and end it as soon as the step is being made (or is done already, if it was too quick)."""
    process = start("run", grid, "--runs", runs, "--workers", 1, stderr=subprocess.DEVNULL)
    store, claims = RunStore(runs), Claims(runs)
    while claims.holder(step.key) is None and not store.is_done(step):
        assert process.poll() is None, "the run ended before the step began"
        time.sleep(0.01)
    process.send_signal(number)
    process.wait()


def test_killed_in_training_and_in_generation_it_ends_in_the_same_table(call, start, grid, runs, tmp_path):
    cell = open_plan(str(grid), runs).cells_of("RAG")[0]
    for step in (cell.generate.inputs["denoiser"], cell.generate):
        _kill_while(start, step, grid, tmp_path, signal.SIGKILL)
    assert call("run", grid, "--runs", tmp_path).returncode == 0
    assert table(call, grid, tmp_path) == table(call, grid, runs)


def test_ctrl_c_ends_with_130_and_one_line(start, grid, tmp_path):
    process = start("run", grid, "--runs", tmp_path, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / ".claims").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == "interrupted; finished steps are kept, the same command continues"
    assert "Traceback" not in stderr


def test_a_run_that_is_asked_to_stop_saves_and_goes_on_to_the_same_table(call, start, grid, runs, tmp_path):
    """As a batch script asks before its time is over: USR2 to everything it started, or to the run alone."""
    cell = open_plan(str(grid), runs).cells_of("RAG")[0]
    step, store, claims = cell.generate.inputs["denoiser"], RunStore(tmp_path), Claims(tmp_path)
    process = start("run", grid, "--runs", tmp_path, "--workers", 1, stderr=subprocess.PIPE, text=True)
    while claims.holder(step.key) is None and not store.is_done(step):
        assert process.poll() is None, "the run ended before the step began"
        time.sleep(0.01)
    process.send_signal(signal.SIGUSR2)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 75
    assert stderr.splitlines()[-1].endswith("interrupted, the same command continues")
    assert call("run", grid, "--runs", tmp_path).returncode == 0
    assert table(call, grid, tmp_path) == table(call, grid, runs)


def test_motion_for_a_sound_file_of_any_rate(call, grid, runs, tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, 44_100 * 3 + 17)
    soundfile.write(tmp_path / "talk.wav", noise, 44_100)
    words = ("generate", "--method", "rag_gesture", "--audio", tmp_path / "talk.wav", "--grid", grid, "--runs", runs)
    done = call(*words, "--out", tmp_path / "talk.npz")
    assert done.returncode == 0, done.stderr
    motion = load_motion(tmp_path / "talk.npz")
    assert motion.n_frames == 90
    assert np.isfinite(motion.poses).all()


def test_a_folder_scored_against_itself_and_with_a_clip_missing(call, corpus, grid, runs, tmp_path):
    for path in (corpus / "smplxflame_30").glob("*.npz"):
        (tmp_path / path.name).symlink_to(path)
    words = ("evaluate", tmp_path, "--data", corpus, "--metrics", "bc,l1div", "--runs", runs)
    done = call(*words, "--json", runs / "self.json")
    assert done.returncode == 0, done.stderr
    result = read_json(runs / "self.json")
    assert result["metrics"]["l1div"]["n"] == len(result["per_unit"]["l1div"]) == result["bound"]["clips"] == 12
    assert "12 clips; protocol self" in done.stdout
    next(tmp_path.iterdir()).unlink()
    missing = call(*words)
    assert missing.returncode == 2
    assert "1 of 12 clips are missing" in missing.stderr
    assert "11 clips" in call(*words, "--partial").stdout


def test_report_is_one_page_without_a_network(call, grid, runs, tmp_path):
    done = call("report", grid, "--runs", runs, "--out", tmp_path / "report.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "http" not in page
    assert "Ground truth" in page


def test_a_broken_clip_is_named_and_the_exit_code_is_2(call, corpus, grid, tmp_path):
    import shutil

    data = tmp_path / "corpus"
    shutil.copytree(corpus, data)
    broken = min((data / "smplxflame_30").glob("*.npz"))
    broken.write_bytes(broken.read_bytes()[:2000])
    done = call("run", grid, "--data", data, "--runs", tmp_path / "runs")
    assert done.returncode == 2
    assert done.stderr.count(broken.name) == 1
    assert done.stderr.splitlines()[-1].startswith("error: 1 step failed; ")
    assert "Traceback" not in done.stderr
