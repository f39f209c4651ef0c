"""A step's identity, and its way to another machine and back."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.benchmarks.resources import Resources
from gesturebench.benchmarks.step import Sealed, Step, closure, steps_from_json, steps_to_json, unique, urgency
from gesturebench.common.errors import InputError
from gesturebench.common.files import sha256_json, write_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=5), values, max_size=4)


@st.composite
def plans(draw) -> tuple[Step, ...]:
    """A few steps that build on earlier ones, some with sealed objects and resources."""
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 6))):
        needed = draw(st.lists(st.sampled_from(steps), max_size=3)) if steps else []
        spec = draw(objects) | {"number": number, "config": Sealed(draw(objects))}
        asked = draw(st.none() | st.builds(Resources, gpus=st.integers(0, 8), mem_gb=st.floats(1, 64)))
        inputs = {f"input {i}": step for i, step in enumerate(needed)}
        steps.append(Step("fit", draw(st.text(max_size=5)), spec, inputs, draw(objects), asked))
    return tuple(draw(st.lists(st.sampled_from(steps), min_size=1, max_size=6)))


def naive_key(step: Step) -> str:
    inputs = {name: naive_key(needed) for name, needed in step.inputs.items()}
    return sha256_json({"kind": step.kind, "spec": step.spec, "inputs": inputs})[:24]


@settings(max_examples=40, deadline=None)
@given(plans())
def test_the_key_is_the_hash_of_kind_spec_and_the_keys_of_the_inputs(steps):
    assert [step.key for step in steps] == [naive_key(step) for step in steps]


@settings(max_examples=40, deadline=None)
@given(plans())
def test_steps_come_back_from_json_as_they_were(steps):
    back = steps_from_json(json.loads(json.dumps(steps_to_json(steps), sort_keys=True)))
    assert [step.key for step in back] == [step.key for step in steps]
    for ours, theirs in zip(closure(steps), closure(back), strict=True):
        for name in ("kind", "label", "spec", "place", "resources", "key"):
            assert getattr(ours, name) == getattr(theirs, name)
        assert {n: s.key for n, s in ours.inputs.items()} == {n: s.key for n, s in theirs.inputs.items()}


def chain() -> tuple[Step, Step]:
    shared = {"epochs": 3}
    corpus = Step("corpus", "data", {"size": 1})
    return tuple(
        Step("fit", name, {"name": name, "config": dict(shared)}, {"store": corpus}, {"config": dict(shared)})
        for name in ("a", "b")
    )


def test_what_steps_share_is_written_once(tmp_path):
    write_json(tmp_path / "steps.json", steps_to_json(chain()))
    written = json.loads((tmp_path / "steps.json").read_text())
    assert [node["label"] for node in written["steps"]] == ["data", "a", "b"]
    assert written["objects"] == [{"epochs": 3}]
    a, b = steps_from_json(written)
    assert a.inputs["store"] is b.inputs["store"]


def test_a_step_that_was_changed_on_the_way_is_refused():
    sent = steps_to_json(chain())
    sent["steps"][0]["spec"]["size"] = 2
    with pytest.raises(InputError, match=rf"pack.json: step {chain()[0].inputs['store'].key} \(data\) has the content"):
        steps_from_json(sent, "pack.json")


@pytest.mark.parametrize(
    "damage",
    [
        lambda sent: sent.pop("wanted"),
        lambda sent: sent.update(format=99),
        lambda sent: sent["steps"].reverse(),
        lambda sent: sent["steps"][0].pop("kind"),
        lambda sent: sent["objects"].clear(),
        lambda sent: sent["steps"][0].update(resources={"gpus": -1}),
        lambda sent: sent["wanted"].append("no such key"),
    ],
)
def test_json_that_is_not_ours_is_refused(damage):
    sent = steps_to_json(chain())
    damage(sent)
    with pytest.raises(InputError, match="expected steps as gesturebench wrote them"):
        steps_from_json(sent)


def test_resources_and_places_are_no_part_of_the_key():
    plain = Step("fit", "a", {"x": 1})
    assert plain.key == Step("fit", "b", {"x": 1}, place={"root": "/"}, resources=Resources(gpus=2)).key


@settings(max_examples=40, deadline=None)
@given(plans())
def test_a_closure_has_every_step_once_and_after_its_inputs(steps):
    seen: set[str] = set()
    for step in closure(steps):
        assert step.key not in seen
        assert {needed.key for needed in step.inputs.values()} <= seen
        seen.add(step.key)
    assert seen == {step.key for wanted in steps for step in wanted.with_inputs()}
    assert {step.key for step in unique(steps)} == {step.key for step in steps}


def test_the_longest_chain_is_the_most_urgent():
    a, b = chain()
    score = Step("evaluate", "score", {}, {"a": a})
    order = urgency((a.inputs["store"], a, b, score))
    assert order[a.inputs["store"].key] > order[a.key] > order[b.key] > order[score.key]
