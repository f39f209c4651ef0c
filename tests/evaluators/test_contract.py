"""What every evaluator promises, over the registry."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.errors import InputError
from gesturebench.evaluators.registry import evaluator_names, get_evaluator

NAMES = evaluator_names()
OF_A_SET = {"fgd", "diversity"}
"""Metrics of all clips together: no clip has a value of its own."""
PLAIN = (bool, int, float, str, list, dict, type(None))


def pairs(store, name):
    """Test clips with a prediction each, the motion of another clip; with as many as a metric of samples asks for."""
    ids = store.split("test")
    shifts = (1, 2) if name == "multimodality" else (1,)
    return [
        (store.motion(ids[(place + shift) % len(ids)]), store.clip(clip_id))
        for place, clip_id in enumerate(ids)
        for shift in shifts
    ]


def scored(make, name, items):
    evaluator = make.evaluator(name)
    for prediction, clip in items:
        evaluator.update(prediction, clip)
    return evaluator.compute()


def assert_same(left, right, tolerance):
    assert left.keys() == right.keys()
    for key, value in left.items():
        if isinstance(value, float):
            assert value == pytest.approx(right[key], rel=tolerance, abs=tolerance), key
        elif isinstance(value, list):
            assert sorted(value) == sorted(right[key]), key
        else:
            assert value == right[key], key


def with_float(motion, dtype):
    arrays = {field: getattr(motion, field).astype(dtype) for field in ("poses", "expressions", "trans", "betas")}
    return replace(motion, **arrays)


def damaged(motion, field):
    array = np.array(getattr(motion, field))
    array.reshape(-1)[len(array) // 2] = np.nan
    return replace(motion, **{field: array})


def plain(value) -> bool:
    """Made of python's own types alone."""
    if isinstance(value, dict | list):
        return all(map(plain, value.values() if isinstance(value, dict) else value))
    return type(value) in PLAIN


def shortened(clip, n: int):
    return replace(
        clip, motion=clip.motion.cut(0, n), speech=replace(clip.speech, audio=clip.speech.audio[: n * 16000 // 30])
    )


@pytest.mark.parametrize("name", NAMES)
def test_deterministic(make, store, name):
    assert scored(make, name, pairs(store, name)) == scored(make, name, pairs(store, name))


@pytest.mark.parametrize("name", NAMES)
def test_order_of_clips_does_not_matter(make, store, name):
    assert_same(scored(make, name, pairs(store, name)), scored(make, name, pairs(store, name)[::-1]), 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_shards_merge_to_the_whole(make, store, name):
    items = pairs(store, name)
    first, second, empty = (make.evaluator(name) for _ in range(3))
    for shard, part in ((first, items[:1]), (second, items[1:])):
        for prediction, clip in part:
            shard.update(prediction, clip)
    first.merge(second)
    first.merge(empty)
    assert_same(scored(make, name, items), first.compute(), 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_shard_per_pair_merged_backwards_is_the_whole(make, store, name):
    items, merged = pairs(store, name), make.evaluator(name)
    for prediction, clip in reversed(items):
        shard = make.evaluator(name)
        shard.update(prediction, clip)
        merged.merge(shard)
    assert_same(scored(make, name, items), merged.compute(), 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_merged_is_left_as_it_was(make, store, name):
    items = pairs(store, name)
    first, second = make.evaluator(name), make.evaluator(name)
    half = len(items) // 2
    for evaluator, part in ((first, items[:half]), (second, items[half:])):
        for prediction, clip in part:
            evaluator.update(prediction, clip)
    total = make.evaluator(name)
    total.merge(second)
    total.merge(first)
    again = make.evaluator(name)
    again.merge(first)
    again.merge(second)
    assert_same(again.compute(), total.compute(), 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_compute_can_be_asked_twice(make, store, name):
    evaluator = make.evaluator(name)
    for prediction, clip in pairs(store, name):
        evaluator.update(prediction, clip)
    assert evaluator.compute() == evaluator.compute()


@pytest.mark.parametrize("name", NAMES)
def test_reset_forgets(make, store, name):
    evaluator = make.evaluator(name)
    for prediction, clip in pairs(store, name):
        evaluator.update(prediction, clip)
    evaluator.reset()
    with pytest.raises(InputError, match=name):
        evaluator.compute()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_average_is_an_input_error(make, name):
    with pytest.raises(InputError, match=name):
        make.evaluator(name).compute()


@pytest.mark.parametrize("name", NAMES)
def test_every_column_is_computed(make, store, name):
    numbers = scored(make, name, pairs(store, name))
    columns = get_evaluator(name).columns
    assert columns
    assert all(np.isfinite(numbers[column.key]) for column in columns)
    assert numbers["n"] > 0


@pytest.mark.parametrize("name", NAMES)
def test_columns_tell_what_they_are(name):
    for column in get_evaluator(name).columns:
        assert column.heading, column.key
        assert column.unit, column.key
        assert column.formula, column.key
        assert "\n" not in column.formula, column.key
        assert column.source, column.key
        assert all(family and scale > 0 for family, scale in column.scales.items()), column.key


def test_column_keys_are_unique():
    keys = [column.key for name in NAMES for column in get_evaluator(name).columns]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_plain(make, store, name):
    evaluator = make.evaluator(name)
    values = [evaluator.update(prediction, clip) for prediction, clip in pairs(store, name)]
    numbers = evaluator.compute()
    for found in (*values, numbers):
        assert plain(found), found
        assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_is_the_weighted_mean_of_the_clips(make, store, name):
    """Intervals are drawn from clip values, weighted by `<key>_n` or the clip's frames; metrics of a set have none."""
    evaluator = make.evaluator(name)
    lengths = dict(zip(store.split("test"), (240, 180, 240, 210)))
    items = [
        (prediction.cut(0, lengths[clip.id]), shortened(clip, lengths[clip.id]))
        for prediction, clip in pairs(store, name)
    ]
    values = [(evaluator.update(prediction, clip), clip.motion.n_frames) for prediction, clip in items]
    numbers = evaluator.compute()
    for key in {key for value, _ in values for key in value if not key.endswith("_n")}:
        of_clips = [(value[key], value.get(f"{key}_n", frames)) for value, frames in values if key in value]
        scores, weights = zip(*of_clips)
        assert numbers[key] == pytest.approx(np.average(scores, weights=weights), rel=1e-9), key
    assert any(value for value, _ in values) != (name in OF_A_SET)


@pytest.mark.parametrize("name", NAMES)
def test_precision_of_the_input_does_not_matter(make, store, name):
    """The same numbers, handed over in float32 and in float64."""
    single, double = (
        [
            (with_float(prediction, dtype), replace(clip, motion=with_float(clip.motion, dtype)))
            for prediction, clip in pairs(store, name)
        ]
        for dtype in (np.float32, np.float64)
    )
    assert_same(scored(make, name, single), scored(make, name, double), 1e-6)


@pytest.mark.parametrize("field", ["poses", "expressions", "trans", "betas"])
@pytest.mark.parametrize("name", NAMES)
def test_nan_names_the_clip(make, store, name, field):
    prediction, clip = pairs(store, name)[0]
    with pytest.raises(InputError, match=rf"prediction for {clip.id}: {field}"):
        make.evaluator(name).update(damaged(prediction, field), clip)


@pytest.mark.parametrize("name", NAMES)
def test_nan_of_the_captured_motion_names_the_clip(make, store, name):
    prediction, clip = pairs(store, name)[0]
    with pytest.raises(InputError, match=f"motion of {clip.id}: poses"):
        make.evaluator(name).update(prediction, replace(clip, motion=damaged(clip.motion, "poses")))


@pytest.mark.parametrize("name", NAMES)
def test_a_refused_pair_leaves_nothing_behind(make, store, name):
    items, evaluator = pairs(store, name), make.evaluator(name)
    for prediction, clip in items:
        with pytest.raises(InputError):
            evaluator.update(damaged(prediction, "poses"), clip)
        evaluator.update(prediction, clip)
    assert evaluator.compute() == scored(make, name, items)


@pytest.mark.parametrize("name", NAMES)
def test_another_length_names_the_clip(make, store, name):
    prediction, clip = pairs(store, name)[0]
    with pytest.raises(InputError, match=rf"{clip.id}: 239 frames; expected 240"):
        make.evaluator(name).update(prediction.cut(0, 239), clip)


@pytest.mark.parametrize("name", NAMES)
def test_another_frame_rate_is_refused(make, store, name):
    prediction, clip = pairs(store, name)[0]
    with pytest.raises(InputError, match="15 frames per second"):
        make.evaluator(name).update(replace(prediction, fps=15), clip)


@pytest.mark.parametrize("name", NAMES)
def test_one_frame_is_counted_or_skipped(make, store, name):
    short = shortened(store.clip(store.split("val")[0]), 1)
    items = pairs(store, name)
    before = scored(make, name, items)
    after = scored(make, name, [*items, *[(short.motion, short)] * (len(items) // len(store.split("test")))])
    counted = after["n"] > before["n"]
    assert counted or after["skipped"] == before["skipped"] + 1


@pytest.mark.parametrize("name", NAMES)
def test_presets_are_configurations(name):
    cls = get_evaluator(name)
    for size in ("tiny", "demo", "paper"):
        config = cls.preset(size)
        assert cls.Config.parse(config.model_dump()) == config
        assert cls.fit_sections(config).keys() <= config.model_dump().keys()


@pytest.mark.parametrize("name", NAMES)
def test_unknown_setting_is_refused(name):
    with pytest.raises(InputError, match="unknown key"):
        get_evaluator(name).Config.parse({"no_such_setting": 1})


@pytest.mark.parametrize("name", NAMES)
def test_motion_is_left_as_it_was(make, store, name):
    prediction, clip = pairs(store, name)[0]
    motions = (prediction, clip.motion)
    before = [
        {field: getattr(m, field).copy() for field in ("poses", "expressions", "trans", "betas")} for m in motions
    ]
    make.evaluator(name).update(prediction, clip)
    for motion, fields in zip(motions, before):
        assert all(np.array_equal(getattr(motion, field), array) for field, array in fields.items())


def test_metrics_are_found_without_heavy_imports():
    """Planning asks for configurations and columns only; it must not wait for torch, scipy or librosa."""
    code = (
        "import sys; from gesturebench.evaluators.registry import *\n"
        "for name in evaluator_names(): get_evaluator(name).preset('demo')\n"
        "for name in embedding_metric_names(): get_embedding_metric(name).Config()\n"
        "print(sorted({'torch', 'scipy', 'librosa'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
