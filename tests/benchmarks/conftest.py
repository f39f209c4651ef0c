import sys
from pathlib import Path

import pytest
from rich.console import Console

from gesturebench.benchmarks.view import PlainView

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def view() -> PlainView:
    return PlainView(Console(quiet=True))
