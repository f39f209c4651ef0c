"""What past runs say about steps to come, and a plan at a glance."""

import pytest

from gesturebench.benchmarks.forecast import Expectation, forecast
from gesturebench.benchmarks.grid import Grid, Row
from gesturebench.benchmarks.overview import overview
from gesturebench.benchmarks.plan import make_plan
from gesturebench.benchmarks.resources import Resources
from gesturebench.benchmarks.source import StandinSource
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.step import COST, Step
from gesturebench.common.files import write_json


def fit(seed: int, width: int = 4, resources: Resources | None = None) -> Step:
    spec = {"fit": "module:function", "version": 1, "config": {"width": width}, "seed": seed}
    return Step("fit", f"model (seed {seed})", spec, resources=resources)


def finish(step: Step, runs, seconds: float, device: str = "cpu (x)") -> None:
    record = {"spec": dict(step.spec), "duration_s": seconds, "device": device, "metrics": {}}
    write_json(step.folder(runs) / "record.json", record)


def test_without_records_a_constant_is_assumed(tmp_path):
    step = fit(0)
    assert forecast([step], tmp_path) == {step.key: Expectation(COST["fit"], "assumed")}


def test_the_median_of_the_same_settings_goes_before_the_same_method(tmp_path):
    for seed, seconds in enumerate((10, 20, 90)):
        finish(fit(seed), tmp_path, seconds)
    finish(fit(0, width=8), tmp_path, 1000)
    same, other, new = fit(7), fit(7, width=16), Step("fit", "x", {"fit": "another:function", "seed": 0})
    found = forecast([same, other, new], tmp_path)
    assert (found[same.key].seconds, found[same.key].basis) == (20, "same settings")
    assert (found[other.key].seconds, found[other.key].basis) == (55, "same method")
    assert found[new.key].basis == "assumed"


def test_gpus_are_those_that_are_asked_for_else_what_was_used(tmp_path):
    for seed in range(3):
        finish(fit(seed), tmp_path, 3600, "NVIDIA H100")
    asked = [None, Resources(gpus=4, nodes=2, cpus=3), Resources(gpus=0)]
    steps = [fit(9 + i, resources=resources) for i, resources in enumerate(asked)]
    found = [forecast([step], tmp_path)[step.key] for step in steps]
    assert [each.gpu_hours for each in found] == [1, 8, 0]
    assert [each.cpu_hours for each in found] == [1, 6, 1]


@pytest.mark.parametrize("broken", ["", "{}", '{"spec": 3, "duration_s": 1}', "[1]", "null"])
def test_a_record_that_cannot_be_read_tells_nothing(tmp_path, broken):
    step = fit(0)
    step.folder(tmp_path).mkdir(parents=True)
    (step.folder(tmp_path) / "record.json").write_text(broken)
    assert forecast([fit(1)], tmp_path)[fit(1).key].basis == "assumed"


def made_plan():
    rows = (
        Row(label="truth", method="ground_truth", seeds=(0,)),
        Row(label="none", method="rag_gesture"),
        Row(label="found", method="rag_gesture", config={"retrieval": "discourse"}),
        Row(label="later", method="rag_gesture", awaits="another day"),
    )
    grid = Grid(title="t", data="standin:tiny", protocol="standin", preset="tiny", seeds=(0, 1), rows=rows)
    return make_plan(grid.model_copy(update={"metrics": ("bc", "l1div")}), StandinSource("tiny"))


def test_an_overview_counts_every_step_once(tmp_path):
    plan = made_plan()
    done = plan.cells_of("truth")[0].generate
    for step in (plan.prepare, plan.prepare.inputs["corpus"], done):
        finish(step, tmp_path, 60)
    states = RunStore(tmp_path).states(plan.steps)
    found = overview(plan, states, forecast(plan.steps, tmp_path))
    assert found.total == {"done": 3, "missing": len(plan.steps) - 3}
    own = sum(sum(counts.total() for counts in row.own.values()) for row in found.rows)
    assert own + len(found.shared) == len(plan.steps)
    assert sum(estimate.steps for estimate in found.estimates.values()) == len(plan.steps) - 3
    assert set(found.estimates) == {"fit", "generate", "evaluate"}
    assert found.cpu_hours == pytest.approx(sum(e.cpu_hours for e in found.estimates.values()))


def test_an_overview_says_what_is_shared_by_whom(tmp_path):
    plan = made_plan()
    states = RunStore(tmp_path).states(plan.steps)
    found = overview(plan, states, forecast(plan.steps, tmp_path))
    shared = {one.step.label: (one.cells, one.rows) for one in found.shared}
    assert shared["clip store"] == (5, 3)
    assert shared["vae_upper"] == (4, 2)
    assert shared["denoiser (seed 1)"] == (2, 2)
    assert [(row.label, row.cells) for row in found.rows] == [("truth", 1), ("none", 2), ("found", 2)]
    assert found.rows[1].own == {"generate": {"missing": 2}, "evaluate": {"missing": 4}}
