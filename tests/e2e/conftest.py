import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gesturebench.common.corpus.standin.generate import generate_corpus
from gesturebench.common.corpus.standin.presets import StandinPreset

SIZES = StandinPreset(speakers=2, clips=6, sentences=2, test_share=0.34, val_share=0.17)
SHORT = {"codec": {"training": {"steps": 3, "batch": 2}}, "training": {"steps": 12, "batch": 2, "save_every": 2}}
GRID = {
    "title": "Smallest",
    "protocol": "standin",
    "preset": "tiny",
    "metrics": ["bc", "l1div"],
    "rows": [
        {"label": "Ground truth", "method": "ground_truth", "group": "anchor"},
        {"label": "Random clip", "method": "random_clip", "group": "anchor"},
        {"label": "RAG", "method": "rag_gesture", "config": SHORT | {"retrieval": {"strategy": "discourse"}}},
    ],
}


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "gesturebench", *map(str, words)]


def run_command(*words: object, **environment: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, **environment}
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=300, env=environment)


@pytest.fixture(scope="session")
def call():
    """Run the command line in a process of its own: words and environment in, exit code and output out."""
    return run_command


@pytest.fixture(scope="session")
def start():
    """Start the command line and do not wait for it."""
    return lambda *words, **options: subprocess.Popen(command(*words), **options)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """Twelve short clips of the stand-in corpus, body included."""
    folder = tmp_path_factory.mktemp("corpus")
    generate_corpus(SIZES, folder, workers=1)
    return folder


@pytest.fixture(scope="session")
def grid(corpus, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("grid") / "smallest.yaml"
    path.write_text(yaml.safe_dump(GRID | {"data": str(corpus)}))
    return path


@pytest.fixture(scope="session")
def runs(grid, tmp_path_factory) -> Path:
    """The grid, run once without interruption."""
    folder = tmp_path_factory.mktemp("runs")
    done = run_command("run", grid, "--runs", folder)
    assert done.returncode == 0, done.stderr
    return folder
