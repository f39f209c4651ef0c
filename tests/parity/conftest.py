"""Golden data: outputs of the reference implementations. They lie outside the checkout; without them these tests are
skipped."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(os.environ.get("GESTUREBENCH_GOLDEN", Path(__file__).parents[3] / "shared" / "reference" / "golden"))


@pytest.fixture(scope="session")
def golden():
    """`golden("evaluators/bc.npz")` -> the arrays of a file by key; a .json file as it is."""

    def load(name: str) -> dict:
        path = GOLDEN / name
        if not path.exists():
            pytest.skip(f"no golden data at {path} (set GESTUREBENCH_GOLDEN)")
        if path.suffix == ".json":
            return json.loads(path.read_text())
        with np.load(path) as arrays:
            return dict(arrays)

    return load
