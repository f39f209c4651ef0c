"""A grid on pretrained encoders, from the corpus to scores through the command line."""

import pytest
import yaml

from gesturebench.benchmarks.state import RunStore
from gesturebench.common.features.prepared import PreparedWindows
from gesturebench.planning import open_plan
from tests.encoders import write_bert, write_wav2vec2

from .conftest import SHORT

pytest.importorskip("transformers")
pytestmark = pytest.mark.slow


def test_a_grid_on_pretrained_encoders(call, corpus, tmp_path):
    bert, wav2vec2 = write_bert(tmp_path / "bert"), write_wav2vec2(tmp_path / "wav2vec2")
    conditions = {
        "text": "bert", "audio": "wav2vec2", "positions": False, "empty_text": "skipped",
        "bert": {"model": str(bert), "revision": None}, "wav2vec2": {"model": str(wav2vec2), "revision": None},
    }  # fmt: skip
    base = SHORT | {"conditions": conditions, "sampling": {"sections": [1, 1]}}
    rows = [{"label": "RAG", "method": "rag_gesture", "config": {"retrieval": "discourse"}}]
    grid, runs = tmp_path / "encoders.yaml", tmp_path / "runs"
    declared = {"title": "Encoders", "data": str(corpus), "protocol": "standin", "preset": "tiny", "metrics": ["bc"]}
    grid.write_text(yaml.safe_dump(declared | {"base": {"rag_gesture": base}, "rows": rows}))
    done = call("run", grid, "--runs", runs, "--workers", 1, GESTUREBENCH_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    plan, store = open_plan(str(grid), runs), RunStore(runs)
    assert all(store.is_done(step) for step in plan.steps)
    features = next(step for step in plan.steps if step.label == "condition_features")
    prepared = PreparedWindows(features.folder(runs))
    assert prepared.audio(next(prepared.windows())).shape == (199, 32)
    assert list((tmp_path / "cache" / "features").rglob("*.npz")), "what generation encodes is kept for the next row"
