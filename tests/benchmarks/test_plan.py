"""Keys change with what can change a result, and with nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gesturebench.benchmarks import planned
from gesturebench.benchmarks.grid import Grid, Row
from gesturebench.benchmarks.plan import make_plan
from gesturebench.benchmarks.source import FolderSource, StandinSource
from gesturebench.benchmarks.step import steps_from_json, steps_to_json, unique
from gesturebench.common.corpus.protocols import PROTOCOLS
from gesturebench.common.errors import InputError
from gesturebench.evaluators.registry import get_evaluator

RAG = Row(label="rag", method="rag_gesture", config={"retrieval": {"strategy": "discourse"}})
NONE = Row(label="none", method="rag_gesture", config={"retrieval": {"strategy": "none"}})
TRUTH = Row(label="truth", method="ground_truth")


def plan(*rows: Row, source=None, **changes):
    grid = {"title": "t", "data": "standin:tiny", "protocol": "standin", "preset": "tiny", "seeds": (0,), "rows": rows}
    return make_plan(Grid(**(grid | changes)), source or StandinSource("tiny"))


def keys(of, kind: str) -> set[str]:
    return {step.key for step in of.steps if step.kind == kind}


def fits(of) -> dict[str, str]:
    return {step.label: step.key for step in of.steps if step.kind == "fit"}


def test_every_step_comes_once_and_after_what_it_needs():
    steps = plan(TRUTH, NONE, RAG).steps
    seen: set[str] = set()
    for step in steps:
        assert step.key not in seen
        assert all(needed.key in seen for needed in step.inputs.values())
        seen.add(step.key)


def test_rows_that_sample_differently_share_their_weights():
    both, one = plan(NONE, RAG), plan(NONE)
    assert fits(both) == fits(one)
    assert len(keys(both, "generate")) == 2


def test_another_method_with_the_same_codec_shares_it():
    shared = fits(plan(Row(label="r", method="reconstruction"))).items() & fits(plan(RAG)).items()
    assert {name for name, _ in shared} >= {"vae_upper", "vae_hands", "vae_face", "vae_lower"}


def test_a_training_option_of_one_part_leaves_the_others_alone():
    changed = Row(label="none", method="rag_gesture", config={"training": {"steps": 7}})
    before, after = fits(plan(NONE)), fits(plan(changed))
    assert {name for name in before if before[name] != after[name]} == {"denoiser (seed 0)"}


def test_seeds_share_what_is_not_seeded():
    two = plan(RAG, seeds=(0, 1))
    labels = [step.label for step in two.steps if step.kind == "fit"]
    assert labels.count("vae_upper") == 1
    assert {"denoiser (seed 0)", "denoiser (seed 1)"} <= set(labels)


def test_labels_notes_groups_and_titles_change_nothing():
    renamed = TRUTH.model_copy(update={"label": "other", "note": "note", "group": "anchor"})
    assert {s.key for s in plan(TRUTH).steps} == {s.key for s in plan(renamed, title="other").steps}


def test_another_metric_scores_again_without_sampling_again():
    few, more = plan(RAG, metrics=("bc",)), plan(RAG, metrics=("bc", "l1div"))
    assert keys(few, "generate") == keys(more, "generate")
    assert keys(few, "evaluate") < keys(more, "evaluate")


def test_an_encoder_serves_every_way_of_pairing():
    here, there = plan(TRUTH, metrics=("fgd",)), plan(TRUTH, metrics=("fgd",), protocol="beat2")
    assert here.encoders["fgd"].key == there.encoders["fgd"].key
    assert keys(here, "evaluate") != keys(there, "evaluate")


@pytest.mark.parametrize("kind", ["prepare", "fit", "generate", "evaluate"])
def test_other_data_changes_everything(kind):
    folder = [FolderSource(Path("here"), content, has_truth=True) for content in ("a", "b")]
    plans = [plan(RAG, source=source) for source in (StandinSource("tiny"), StandinSource("tiny", seed=1), *folder)]
    found = [keys(p, kind) for p in plans]
    assert all(not a & b for i, a in enumerate(found) for b in found[:i])


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("size", ["tiny", "demo", "paper"])
def test_metrics_accept_the_settings_of_every_protocol(name, size):
    protocol = PROTOCOLS[name]
    for metric, settings in protocol.evaluators.items():
        config = get_evaluator(metric).preset(size).updated(settings, name)
        assert config.model_dump() | settings == config.model_dump()


def test_protocols_that_cut_alike_share_the_motion_and_others_the_score():
    plans = {name: plan(TRUTH, metrics=("l1div",), protocol=name) for name in ("emage-spk2", "raggesture-spk2")}
    generated, scored = ([keys(p, kind) for p in plans.values()] for kind in ("generate", "evaluate"))
    assert generated[0] == generated[1]
    assert not scored[0] & scored[1]


def test_what_a_protocol_demands_of_the_data_is_no_part_of_the_score():
    """A result that could be had is the same whether or not the clips had to be there."""
    from gesturebench.benchmarks.plan import scorer
    from gesturebench.evaluators.l1div import L1Div

    pinned = PROTOCOLS["emage-spk2"]
    generate = plan(TRUTH).cells[0].generate
    steps = [
        scorer(L1Div, L1Div.Config(), protocol).step("label", generate)
        for protocol in (pinned, pinned.model_copy(update={"ids": None, "name": "free"}))
    ]
    assert steps[0].key == steps[1].key


def test_a_row_makes_one_sample_for_every_seed():
    assert "multimodality" in PROTOCOLS["raggesture-spk2"].evaluators
    assert "multimodality" not in plan(TRUTH, protocol="raggesture-spk2").metrics
    with pytest.raises(InputError, match=r"'multimodality' compares several motions.*gesturebench evaluate"):
        plan(TRUTH, protocol="raggesture-spk2", metrics=("multimodality",))


def test_the_place_of_data_changes_nothing():
    here, there = (plan(RAG, source=FolderSource(Path(p), "a", has_truth=True)) for p in ("here", "there"))
    assert {s.key for s in here.steps} == {s.key for s in there.steps}


def test_versions_change_keys(monkeypatch):
    from gesturebench.methods.anchors import GroundTruth

    before = plan(TRUTH)
    monkeypatch.setattr(GroundTruth, "version", 2)
    after = plan(TRUTH)
    assert keys(before, "generate") != keys(after, "generate")
    assert keys(before, "fit") == keys(after, "fit")


def test_query_information_is_recorded():
    queries = {cell.row.label: cell.query for cell in plan(TRUTH, NONE, RAG).cells}
    assert queries == {"truth": "none", "none": "none", "rag": "annotation"}


def test_unique_keeps_the_first_place():
    steps = plan(RAG).steps
    assert unique([*steps, *steps[::-1]]) == steps


def test_what_is_not_built_is_absent_with_its_reason(monkeypatch):
    monkeypatch.setitem(planned.METHODS, "dancer", "a method of another day")
    rows = (
        TRUTH,
        Row(label="ours soon", method="dancer", config={"anything": 1}),
        Row(label="half", method="rag_gesture", awaits="rag_gesture without wheels"),
    )
    made = plan(*rows)
    assert made.absent == {
        "ours soon": "method 'dancer' is not built yet",
        "half": "rag_gesture without wheels",
    }
    assert {s.key for s in made.steps} == {s.key for s in plan(TRUTH).steps}
    assert made.cells_of("half") == ()
    assert plan(*rows[1:]).steps == ()


def test_a_metric_that_needs_several_samples_in_the_embedding_is_absent_with_its_reason():
    made = plan(TRUTH, metrics=("bc", "embedding_multimodality"))
    assert made.metrics == ("bc",)
    assert list(made.absent_metrics) == ["embedding_multimodality"]
    assert {s.key for s in made.steps} == {s.key for s in plan(TRUTH, metrics=("bc",)).steps}


def test_metrics_on_embeddings_share_one_encoder_and_change_no_other_step():
    names = ("r_precision", "mm_distance", "embedding_fid", "embedding_diversity", "rare_mm_distance")
    made, before = plan(RAG, metrics=("bc", *names), seeds=(0, 1)), plan(RAG, metrics=("bc",), seeds=(0, 1))
    assert {made.encoders[name].key for name in names} == {made.encoders["r_precision"].key}
    assert {s.key for s in before.steps} < {s.key for s in made.steps}
    assert len(keys(made, "fit")) == len(keys(before, "fit")) + 1
    assert len(keys(made, "evaluate")) == 2 * (1 + len(names))


def test_the_encoder_of_embeddings_is_the_step_that_a_component_with_its_values_is():
    from gesturebench.benchmarks.plan import _Fits
    from gesturebench.benchmarks.recipe import Recipe
    from gesturebench.benchmarks.step import Sealed
    from gesturebench.common.embedding.config import embedding_part, preset
    from gesturebench.methods.base import Component
    from gesturebench.methods.registry import get_method

    made, part = plan(TRUTH, metrics=("r_precision",)), embedding_part(preset("tiny"))
    component = Component("space", part.fit, part.config, version=part.version, seeded=False, place=part.place)
    recipe = Recipe(get_method("ground_truth"), Sealed({}), "none", (component,))
    assert _Fits(made.prepare, None).of(recipe, 0)["space"].key == made.encoders["r_precision"].key


def test_models_that_an_encoder_of_embeddings_reads_are_missed_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    made = plan(TRUTH, metrics=("r_precision", "mm_distance"), preset="paper")
    assert len(made.missing) == 2
    assert all("contrastive evaluator" in line and rows == ("truth",) for line, rows in made.missing.items())


def test_a_protocol_of_beat2_is_adapted_to_the_standin_and_to_nothing_else():
    here = plan(TRUTH, protocol="emage-spk2", metrics=("l1div",))
    assert here.protocol.name == "emage-spk2-on-standin"
    for folder in (FolderSource(Path("x"), "a"), FolderSource(Path("x"), "a", is_standin=True)):
        there = plan(TRUTH, protocol="emage-spk2", metrics=("l1div",), source=folder)
        assert there.protocol.name == "emage-spk2"
    assert here.cells[0].evaluate["l1div"].place["protocol"]["name"] == "emage-spk2-on-standin"
    assert plan(TRUTH, protocol="beat2", metrics=("l1div",)).protocol.name == "beat2"


def test_short_ways_of_writing_come_to_the_same_steps():
    long = plan(Row(label="a", method="rag_gesture", config={"retrieval": {"strategy": "random"}}))
    for config in ({"retrieval": "random"}, {"retrieval.strategy": "random"}):
        assert [s.key for s in plan(Row(label="a", method="rag_gesture", config=config)).steps] == [
            s.key for s in long.steps
        ]


def test_a_base_changes_every_row_that_has_the_key():
    rows = (TRUTH, NONE, Row(label="r", method="reconstruction"))
    based = plan(*rows, base={"all": {"codec.training.steps": 7}, "rag_gesture": {"training": {"steps": 9}}})
    by_hand = plan(
        TRUTH,
        NONE.model_copy(update={"config": {**NONE.config, "codec.training.steps": 7, "training.steps": 9}}),
        rows[2].model_copy(update={"config": {"codec.training.steps": 7}}),
    )
    assert {s.key for s in based.steps} == {s.key for s in by_hand.steps}
    assert {s.key for s in based.steps} != {s.key for s in plan(*rows).steps}


def test_a_row_wins_over_its_base():
    row = Row(label="a", method="rag_gesture", config={"retrieval": "discourse"})
    assert fits(plan(row, base={"rag_gesture": {"retrieval": "none"}})) == fits(plan(row))
    assert plan(row, base={"rag_gesture": {"retrieval": "none"}}).cells[0].query == "annotation"


def test_steps_carry_the_resources_of_their_kind():
    asked = {"fit": {"gpus": 2}, "corpus": {"cpus": 3}}
    made = plan(RAG, resources=asked)
    assert {s.key for s in made.steps} == {s.key for s in plan(RAG).steps}
    for step in made.steps:
        found = step.resources and step.resources.model_dump(exclude_none=True)
        assert found == asked.get(step.kind)


def test_a_plan_travels_as_json():
    made = plan(TRUTH, RAG, seeds=(0, 1), resources={"fit": {"gpus": 1}})
    sent = json.loads(json.dumps(steps_to_json(made.steps)))
    back = steps_from_json(sent)
    assert [s.key for s in back] == [s.key for s in made.steps]
    assert [s.resources for s in back] == [s.resources for s in made.steps]
    assert len(json.dumps(sent)) < 60_000


def test_planning_is_light():
    """Every command plans; only workers may import the heavy packages."""
    code = """
import sys
from gesturebench.planning import open_plan
from pathlib import Path
open_plan("demo", Path("/nonexistent"))
print(sorted({"torch", "scipy", "librosa", "matplotlib", "pandas"} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
