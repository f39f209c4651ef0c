"""One thread per process, as in every worker: more were measured to be ten times slower on operators this small."""

import os
from pathlib import Path

import pytest

from gesturebench.common.threads import announce_threads

announce_threads()
os.environ.setdefault("GESTUREBENCH_INVERSIONS_GB", "0")  # nothing of a test stays in the user's cache


def pytest_addoption(parser: pytest.Parser) -> None:
    from tests.parity.frame import default_folder  # it imports numpy, which counts its threads when it is loaded

    parser.addoption("--golden", type=Path, default=default_folder(), metavar="DIR", help="golden data of tests/parity")
