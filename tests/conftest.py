"""One thread per process, as in every worker: more were measured to be ten times slower on operators this small."""

from pathlib import Path

import pytest

from gesturebench.common.threads import announce_threads
from tests.parity.frame import default_folder

announce_threads()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", type=Path, default=default_folder(), metavar="DIR", help="golden data of tests/parity")
