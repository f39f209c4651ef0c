"""What every metric on embeddings promises, over the registry."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.errors import InputError
from gesturebench.evaluators.embedding import Embedded, replicated
from gesturebench.evaluators.registry import (
    embedding_metric_names,
    evaluator_names,
    get_embedding_metric,
    get_evaluator,
)

NAMES = embedding_metric_names()
SMALL = {
    "r_precision": {"batch": 8},
    "embedding_diversity": {"pairs": 10},
    "embedding_multimodality": {"units": 5, "samples": 4, "pairs": 3},
}


def metric(name):
    cls = get_embedding_metric(name)
    return cls(cls.Config.parse(SMALL.get(name, {})))


def embedded(name, units=20, dim=6, seed=0) -> Embedded:
    """Motion near its speech; as many samples of a unit as the metric asks for."""
    rng, samples = np.random.default_rng(seed), SMALL.get(name, {}).get("samples", 1)
    ids = [f"unit{i:02d}" for i in range(units) for _ in range(samples)]
    speech = np.repeat(rng.normal(size=(units, dim)), samples, axis=0)
    return Embedded(
        ids,
        speech,
        speech + 0.3 * rng.normal(size=speech.shape),
        captured=speech + 0.2 * rng.normal(size=speech.shape),
        rareness=np.repeat(rng.uniform(size=units), samples),
        sample=np.tile(np.arange(samples), units),
    )


def chosen(rows: Embedded, index) -> Embedded:
    index = np.asarray(index)
    arrays = {f: getattr(rows, f)[index] for f in ("speech", "motion", "captured", "rareness", "sample")}
    return Embedded([rows.ids[i] for i in index], **arrays)


def scored(name, *batches):
    found = metric(name)
    for rows in batches:
        found.update(rows)
    return found.compute()


@pytest.mark.parametrize("name", NAMES)
def test_every_column_is_computed_in_plain_numbers(name):
    numbers = scored(name, embedded(name))
    columns = get_embedding_metric(name).columns
    assert numbers.keys() == {column.key for column in columns} | {"n"}
    assert all(type(numbers[column.key]) is float and np.isfinite(numbers[column.key]) for column in columns)
    assert json.loads(json.dumps(numbers)) == numbers


@pytest.mark.parametrize("name", NAMES)
def test_columns_tell_what_they_are(name):
    for column in get_embedding_metric(name).columns:
        assert all((column.heading, column.unit, column.formula, column.source)), column.key
        assert all(scale > 0 for scale in column.scales.values())


def test_names_and_keys_are_unique():
    classes = [get_evaluator(n) for n in evaluator_names()] + [get_embedding_metric(n) for n in NAMES]
    keys = [column.key for cls in classes for column in cls.columns]
    assert len(keys) == len(set(keys))
    assert len({cls.name for cls in classes}) == len(classes)
    assert all(get_embedding_metric(name).name == name for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_order_batches_and_shards_do_not_matter(name):
    rows = embedded(name)
    whole, order = scored(name, rows), np.random.default_rng(1).permutation(len(rows.ids))
    assert scored(name, chosen(rows, order)) == whole
    assert scored(name, *(chosen(rows, part) for part in np.array_split(order, 7))) == whole
    left, right = metric(name), metric(name)
    left.update(chosen(rows, order[:13]))
    right.update(chosen(rows, order[13:]))
    right.merge(left)
    right.merge(metric(name))
    assert right.compute() == whole


@pytest.mark.parametrize("name", NAMES)
def test_draws_depend_on_the_seed_alone(name):
    found = metric(name)
    found.update(embedded(name))
    assert found.compute(3) == found.compute(3)
    estimates = replicated(found, 5)
    for column in found.columns:
        values = [found.compute(seed)[column.key] for seed in range(5)]
        assert estimates[column.key].mean == pytest.approx(np.mean(values))
        assert estimates[column.key].half_width == pytest.approx(1.96 * np.std(values) / np.sqrt(5))


@pytest.mark.parametrize("name", NAMES)
def test_precision_of_the_input_does_not_matter(name):
    rows = embedded(name)
    fields = ("speech", "motion", "captured", "rareness")
    single = replace(rows, **{f: getattr(rows, f).astype(np.float32) for f in fields})
    double = replace(single, **{f: getattr(single, f).astype(np.float64) for f in fields})
    assert scored(name, single) == scored(name, double)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_given_is_not_kept_by_reference(name):
    rows = embedded(name)
    found = metric(name)
    found.update(rows)
    before = found.compute()
    rows.motion[:] = 0
    assert found.compute() == before


@pytest.mark.parametrize("field", ["speech", "motion", "captured", "rareness"])
@pytest.mark.parametrize("name", NAMES)
def test_nan_names_the_unit(name, field):
    rows = embedded(name)
    array = getattr(rows, field).copy()
    array.reshape(len(rows.ids), -1)[5, -1] = np.nan
    with pytest.raises(InputError, match=f"{field} of {rows.ids[5]} is not finite"):
        metric(name).update(replace(rows, **{field: array}))


@pytest.mark.parametrize("name", NAMES)
def test_shapes_must_agree(name):
    rows = embedded(name)
    for field in ("speech", "captured", "rareness"):
        with pytest.raises(InputError, match=rf"{field} of {len(rows.ids)} units has shape"):
            metric(name).update(replace(rows, **{field: getattr(rows, field)[1:]}))
    with pytest.raises(InputError, match="motion of"):
        metric(name).update(replace(rows, motion=rows.motion[0]))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_required_must_be_there(name):
    for field in get_embedding_metric(name).requires:
        with pytest.raises(InputError, match=f"{name}: no {field}"):
            metric(name).update(replace(embedded(name), **{field: None}))


@pytest.mark.parametrize("name", NAMES)
def test_a_motion_may_come_only_once(name):
    rows, found = embedded(name), metric(name)
    found.update(rows)
    with pytest.raises(InputError, match="unit unit00 has sample 0 twice"):
        found.update(rows)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_and_too_little_are_input_errors(name):
    found = metric(name)
    with pytest.raises(InputError, match=f"{name} of no embeddings"):
        found.compute()
    found.update(embedded(name))
    found.reset()
    with pytest.raises(InputError, match=f"{name} of no embeddings"):
        found.compute()
    found.update(chosen(embedded(name), [0]))
    if name in ("mm_distance", "rare_mm_distance"):
        assert found.compute()["n"] == 1
    else:
        with pytest.raises(InputError):
            found.compute()
