"""Re-scoring: one set of motions gives one set of numbers, whoever's layout it is written in."""

import json

import numpy as np
import pytest

from gesturebench.common.corpus.protocol import get_protocol
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from gesturebench.scoring import Request, rescore
from tests.gesturebench.conftest import alone, write_encoder, write_own, write_pairs, write_windows

pytestmark = pytest.mark.slow

EXACT, AS_SAVED = 1e-12, 1e-5
"""Scored against the data every layout is the same arithmetic; ground truth that was saved went through float32."""


@pytest.fixture(scope="module")
def scored(corpus, runs):
    """Score a folder under a protocol, by default against the data."""

    def run(folder, protocol, **changes):
        request = {"protocol": protocol, "data": str(corpus), "runs": runs, "grid": "tiny"}
        return rescore(get_protocol(protocol), Request(folder, **(request | changes)))

    return run


@pytest.fixture(scope="module")
def own(clips, predictions, tmp_path_factory):
    return {
        "whole": write_own(tmp_path_factory.mktemp("own"), predictions),
        "generated": write_own(tmp_path_factory.mktemp("own"), predictions, generated=True),
    }


@pytest.fixture(scope="module")
def pairs(clips, predictions, tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("emage"), clips, predictions)


@pytest.fixture(scope="module")
def windows(clips, predictions, tmp_path_factory):
    return write_windows(tmp_path_factory.mktemp("rag"), clips, predictions)


def columns(result: dict, metrics) -> dict[str, float]:
    from gesturebench.evaluators.registry import get_evaluator

    numbers = {metric: result["metrics"][metric] for metric in metrics}
    return {c.key: own[c.key] for metric, own in numbers.items() for c in get_evaluator(metric).columns}


def assert_same(one: dict, other: dict, metrics, tolerance: float) -> None:
    expected, found = columns(one, metrics), columns(other, metrics)
    assert found == pytest.approx(expected, rel=tolerance, abs=tolerance * 1e-6)
    assert all(np.isfinite(value) for value in found.values())


def test_pairs_of_emage_and_mambatalk(scored, own, pairs):
    protocol = get_protocol("emage-spk2")
    ours, theirs = scored(own["generated"], protocol.name), scored(pairs, protocol.name, layout="mambatalk")
    assert_same(ours, theirs, protocol.evaluators, EXACT)
    assert 0 < ours["metrics"]["fgd"]["fgd"] < 100
    assert not theirs["disagreements"]
    assert theirs["layout"] == "mambatalk"
    assert ours["bound_hash"] == theirs["bound_hash"]
    assert ours["frames"] == theirs["frames"] < scored(own["whole"], protocol.name)["frames"]


def test_windows_of_rag_gesture(scored, own, windows):
    protocol = get_protocol("raggesture-spk2")
    ours, theirs = scored(own["whole"], protocol.name), scored(windows, protocol.name)
    assert_same(ours, theirs, set(protocol.evaluators) - {"multimodality"}, EXACT)
    assert theirs["layout"] == "rag_gesture"
    assert theirs["left_out"].keys() == {"multimodality"}
    assert not theirs["disagreements"]
    assert theirs["bound"]["units"] == theirs["frames"] / 300 > 10
    assert ours["bound_hash"] == theirs["bound_hash"]


def test_pairs_without_the_data(scored, corpus, pairs):
    there, here = scored(pairs, "emage-spk2"), scored(pairs, "emage-spk2", **alone(corpus))
    assert_same(there, here, ("fgd", "l1div", "face_mse", "lvd"), AS_SAVED)
    assert here["left_out"].keys() == {"bc", "srgr"}
    assert here["bound"]["reference"] == "predictions"
    assert here["bound_hash"] != there["bound_hash"]


def test_windows_without_the_data(scored, corpus, windows):
    there, here = scored(windows, "raggesture-spk2"), scored(windows, "raggesture-spk2", **alone(corpus))
    assert_same(there, here, ("fgd", "bc", "l1div", "diversity", "face_mse", "lvd"), AS_SAVED)
    assert here["left_out"].keys() == {"srgr", "multimodality"}


def test_a_metric_that_was_asked_for_says_what_it_needs(scored, corpus, windows):
    bare = alone(corpus) | {"mean_speed": None}
    with pytest.raises(InputError, match=r"mean joint speeds.*pass --mean-speed"):
        scored(windows, "raggesture-spk2", **bare, metrics=("bc",))
    assert "--mean-speed" in scored(windows, "raggesture-spk2", **bare)["left_out"]["bc"]


def test_ground_truth_of_other_data_is_reported(scored, clips, predictions, tmp_path):
    others = [type(clip)(clip.id, clip.speech, predictions[clip.id]) for clip in clips]
    result = scored(write_pairs(tmp_path, others, predictions), "emage-spk2", metrics=("l1div",))
    assert len(result["disagreements"]) == 15
    assert result["disagreements"][0]["difference"] > 0.01


def test_partial_is_part_of_the_passport(scored, own, clips, predictions, tmp_path):
    few = {clip_id: predictions[clip_id] for clip_id in sorted(predictions)[:4]}
    folder = write_own(tmp_path, few)
    with pytest.raises(InputError, match="11 of 15 clips are missing"):
        scored(folder, "raggesture-spk2", metrics=("l1div",))
    part = scored(folder, "raggesture-spk2", metrics=("l1div",), partial=True)
    whole = scored(own["whole"], "raggesture-spk2", metrics=("l1div",), partial=True)
    assert (part["bound"]["partial"], whole["bound"]["partial"]) == (True, False)
    assert part["protocol_hash"] == whole["protocol_hash"]
    assert part["bound_hash"] != whole["bound_hash"]


def test_another_encoder_is_another_passport(scored, own, tmp_path):
    write_encoder(tmp_path / "weights" / "other.bin", seed=4)
    ours = scored(own["whole"], "raggesture-spk2", metrics=("fgd",))
    other = scored(own["whole"], "raggesture-spk2", metrics=("fgd",), encoder=tmp_path / "weights" / "other.bin")
    assert ours["bound"]["encoders"] != other["bound"]["encoders"]
    assert ours["bound_hash"] != other["bound_hash"]


def test_the_result_is_plain_json(scored, own, tmp_path):
    result = scored(own["whole"], "raggesture-spk2", metrics=("l1div", "fgd"))
    write_json(tmp_path / "result.json", result)
    text = (tmp_path / "result.json").read_text()
    back = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert back["definition"]["cut"]["window"] == 300
    assert back["per_unit"]["l1div"].keys() == back["per_unit"]["fgd"].keys()
    assert {"versions", "commit", "data", "protocol_hash", "bound_hash"} <= back.keys()


def test_a_grid_scores_as_the_folder_of_its_motions_is_scored(scored, corpus, runs, tmp_path):
    """The protocol alone decides, not who runs the metrics."""
    from gesturebench.benchmarks.grid import Grid, Row
    from gesturebench.benchmarks.plan import make_plan
    from gesturebench.benchmarks.runner import Runner
    from gesturebench.benchmarks.source import find_source
    from gesturebench.benchmarks.state import RunStore
    from gesturebench.benchmarks.view import PlainView
    from gesturebench.console import console
    from gesturebench.results.table import build_table

    rows = (Row(label="Truth", method="ground_truth"),)
    grid = Grid(
        title="T", data=str(corpus), protocol="raggesture-spk2", preset="tiny", metrics=("fgd", "bc"), rows=rows
    )
    plan = make_plan(grid, find_source(grid.data, None, runs))
    outcome = Runner(runs, 1, PlainView(console(stderr=True))).run(plan.steps)
    assert not outcome.failed
    cell = plan.cells[0]
    folder = scored(cell.generate.folder(runs) / "motions", "raggesture-spk2", metrics=("fgd", "bc"))
    records = {metric: RunStore(runs).record(step) for metric, step in cell.evaluate.items()}
    for metric, record in records.items():
        assert record["metrics"] == folder["metrics"][metric]
        assert record["protocol_hash"] == folder["protocol_hash"]
        assert record["bound"]["units_hash"] == folder["bound"]["units_hash"]
    assert records["fgd"]["metrics"]["fgd"] > 0, "the reference went through 15 fps, the captured motion did not"
    entry = build_table([plan], RunStore(runs)).lines[0].entries["bc"]
    assert entry.number.interval == "clips"
