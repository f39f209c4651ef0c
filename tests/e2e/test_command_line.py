"""Exit codes, one-line errors, and a command line that starts at once."""

import subprocess
import sys

import pytest


def test_help_imports_nothing_heavy():
    code = """
import sys
from gesturebench.cli import app
try:
    app(["--help"])
except SystemExit:
    pass
heavy = {"torch", "numpy", "scipy", "pydantic", "pandas", "matplotlib", "librosa", "yaml"}
print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "gesturebench run demo" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "dmeo"], "error: unknown grid 'dmeo'; expected one of beat2, demo, emage-"),
        (["run", "dmeo"], "; did you mean 'demo'?"),
        (["run", "tiny", "--data", "standin:huge"], "error: unknown stand-in preset 'huge'"),
        (["run", "tiny", "--data", "nowhere"], "error: nowhere: no such folder"),
        (["run", "tiny", "--runs", "/dev/null/runs"], "error: /dev/null/runs: cannot be written"),
        (["table", "tiny", "--format", "latx"], "error: unknown format 'latx'"),
        (["report", "tiny"], "run `gesturebench run tiny` first"),
        (["generate", "--method", "rag", "--audio", "a.wav", "--out", "b.npz"], "error: unknown method 'rag'"),
        (["evaluate", "nowhere", "--data", "nowhere", "--metrics", "bc"], "error: nowhere: no such folder"),
        (["evaluate", "x", "--data", "x", "--metrics", "fdg"], "did you mean 'fgd'?"),
        (["evaluate", ".", "--protocol", "emage-spk"], "unknown protocol 'emage-spk'"),
        (["evaluate", "."], "error: .: no predictions; expected <clip id>.npz, res_<clip id>.npz with gt_"),
        (["evaluate", ".", "--layout", "rag"], "error: unknown layout 'rag'"),
        (["evaluate", "x", "--json", "."], "error: .: is a folder; expected the name of a file"),
        (["protocols", "emage"], "did you mean 'emage-spk2'"),
        (["run", "tiny", "--runs", "/proc/runs"], "error: /proc/runs: cannot be written"),
        (
            ["table", "tiny", "--out", "table.docx"],
            "error: unknown ending of --out '.docx'; expected one of .csv",
        ),
        (["table", "tiny", "--out", "."], "error: .: is a folder; expected the name of a file"),
        (["run"], "error: Missing argument 'GRID'; see gesturebench run --help"),
        (["run", "tiny", "--wrokers", "2"], "error: No such option: --wrokers"),
        (["run", "tiny", "--workers", "0"], "error: Invalid value for '--workers'"),
        (["rnu"], "Did you mean 'run'?"),
        (["data", "info", "nowhere"], "error: nowhere: no folder smplxflame_30"),
        (["data", "standin", "--preset", "tinny", "--out", "x"], "did you mean 'tiny'?"),
    ],
)
def test_faults_end_with_one_line_and_exit_code_2(call, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call(*words, GESTUREBENCH_RUNS=str(tmp_path / "runs"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    assert done.stdout == ""


def test_debug_shows_the_traceback_wherever_it_stands(call):
    for words in (["--debug", "run", "dmeo"], ["run", "dmeo", "--debug"]):
        done = call(*words)
        assert done.returncode == 2
        assert "Traceback" in done.stderr


def test_version_methods_metrics_and_dry_run(call, tmp_path):
    assert call("--version").stdout.startswith("gesturebench ")
    assert "rag_gesture" in call("methods").stdout
    assert "fgd" in call("metrics").stdout
    assert "raggesture-all" in call("protocols").stdout
    assert "2_scott_0_111_111" in call("protocols", "emage-spk2").stdout
    dry = call("run", "tiny", "--dry-run", "--runs", tmp_path / "runs")
    assert dry.returncode == 0
    assert "nothing was run" in dry.stdout
    assert not (tmp_path / "runs").exists()


def test_an_existing_folder_is_not_overwritten(call, tmp_path):
    (tmp_path / "mine").write_text("")
    done = call("data", "standin", "--preset", "tiny", "--out", tmp_path)
    assert done.returncode == 2
    assert "already there" in done.stderr


@pytest.mark.parametrize("words", [[], ["data"]])
def test_no_words_are_answered_with_the_help(call, words):
    done = call(*words)
    assert done.returncode == 2
    assert "Usage: " in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    "verb",
    [
        *("run", "status", "table", "report", "generate", "evaluate", "protocols", "methods", "metrics"),
        *("data standin", "data info", "data check", "data prepare"),
    ],
)
def test_every_verb_has_an_example(call, verb):
    text = call(*verb.split(), "--help", COLUMNS="200").stdout
    assert f"Example: gesturebench {verb}" in text


def test_what_a_killed_command_left_is_cleared_away(tmp_path):
    import os

    from gesturebench.data import _clear_parts

    parts = [tmp_path / f".corpus.{number}.part" for number in (2**22 + 1, os.getpid())]
    for part in parts:
        part.mkdir()
    _clear_parts(tmp_path / "corpus")
    assert [part.exists() for part in parts] == [False, True]
