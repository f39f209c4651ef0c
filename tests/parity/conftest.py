"""Golden data: outputs of the reference implementations. They lie outside the checkout; without them these tests are
skipped."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

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


@pytest.fixture(scope="module")
def case(golden):
    """A golden file, sorted into parameters, inputs, outputs and configuration."""

    def load(name: str) -> SimpleNamespace:
        arrays = golden(f"rag_gesture/{name}.npz")
        sorted_ = {kind: {} for kind in ("param", "in", "out")}
        for key, array in arrays.items():
            kind, _, rest = key.partition("/")
            if rest:
                sorted_[kind][rest] = torch.from_numpy(array)
        config = json.loads(str(arrays["config"]))
        return SimpleNamespace(param=sorted_["param"], inputs=sorted_["in"], out=sorted_["out"], config=config)

    return load


def filled(module: torch.nn.Module, parameters: dict[str, Tensor]) -> torch.nn.Module:
    module.load_state_dict(parameters)
    return module.eval()


def close(ours: Tensor, theirs: Tensor, atol: float = 1e-5) -> None:
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=1e-5)
