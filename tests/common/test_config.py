"""Configurations: immutable, no unknown keys, faults named by their path."""

from typing import Literal

import pytest
from pydantic import ValidationError

from gesturebench.common.config import Config, merged
from gesturebench.common.errors import InputError


class Sampling(Config):
    steps: int = 50
    scale: float = 1.0
    order: Literal["heun", "euler"] = "heun"


class Model(Config):
    width: int = 8
    sampling: Sampling = Sampling()


def test_defaults_and_overrides():
    model = Model.parse({"sampling": {"steps": 10}})
    assert (model.width, model.sampling.steps, model.sampling.scale) == (8, 10, 1.0)
    assert model.updated({"sampling": {"scale": 2}}).sampling == Sampling(steps=10, scale=2)
    assert model.sampling.scale == 1.0, "the original is untouched"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"widht": 3}, "unknown key of model 'widht'; expected one of sampling, width; did you mean 'width'"),
        ({"sampling": {"stepz": 3}}, r"unknown key of model\.sampling 'stepz'.*did you mean 'steps'"),
        ({"width": "wide"}, "model.width = 'wide'"),
        ({"sampling": 3}, "model.sampling = 3; expected a mapping"),
        ({"sampling": {"order": "heum"}}, "value of model.sampling.order 'heum'; expected one of euler, heun; did you"),
        ({"sampling": {"steps": 1.5}}, "model.sampling.steps = 1.5"),
        ({"sampling": {"steps": True}}, "model.sampling.steps = True; expected a number; correct"),
        ({"sampling": {"scale": float("nan")}}, "model.sampling.scale = nan; expected a finite number"),
        ({"sampling": {"scale": "inf"}}, "model.sampling.scale = 'inf'; expected a finite number"),
        ({"width": list(range(9999))}, r"model.width = \[0, 1, 2, 3, 4, 5, ...\]; expected"),
        ({5: 3}, "key 5 of model; expected a text"),
    ],
)
def test_faults_are_named(values, says):
    with pytest.raises(InputError, match=says):
        Model.parse(values, "model")
    with pytest.raises(InputError, match=says):
        Model().updated(values, "model")


def test_a_missing_key_is_named_without_its_neighbours():
    class Row(Config):
        label: str
        seed: int = 0

    with pytest.raises(InputError, match=r"^row 1: no key 'label'; expected this key; add it$"):
        Row.parse({"seed": 3}, "row 1")


def test_configurations_do_not_change():
    with pytest.raises(ValidationError):
        Model().width = 3


def test_merging_replaces_leaves_only():
    base = {"a": {"x": 1, "y": [1]}, "b": 2}
    assert merged(base, {"a": {"y": [2]}, "c": 3}) == {"a": {"x": 1, "y": [2]}, "b": 2, "c": 3}
    assert base == {"a": {"x": 1, "y": [1]}, "b": 2}
