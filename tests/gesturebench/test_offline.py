"""`--offline` reaches whoever reads replies, in this process and those it starts."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from gesturebench.cli import app
from gesturebench.common.llm.replies import OFFLINE, is_offline


@pytest.mark.parametrize(("words", "offline"), [([], False), (["--offline"], True)])
def test_the_option_is_told_by_the_environment(monkeypatch, tmp_path, words, offline):
    monkeypatch.setenv(OFFLINE, "0")
    done = CliRunner().invoke(app, ["run", "demo", "--dry-run", "--runs", str(tmp_path), *words])
    assert done.exit_code == 0, done.output
    assert is_offline() is offline
    asked = "from gesturebench.common.llm.replies import is_offline; print(is_offline())"
    worker = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert worker.stdout.strip() == str(offline)
