"""What every evaluator promises, over the registry."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.errors import InputError
from gesturebench.evaluators.registry import evaluator_names, get_evaluator

NAMES = evaluator_names()


def pairs(store):
    """Test clips with a prediction each: the motion of another clip."""
    ids = store.split("test")
    return [(store.motion(other), store.clip(clip_id)) for clip_id, other in zip(ids, (*ids[1:], ids[0]))]


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


def shortened(clip, n: int):
    return replace(
        clip, motion=clip.motion.cut(0, n), speech=replace(clip.speech, audio=clip.speech.audio[: n * 16000 // 30])
    )


@pytest.mark.parametrize("name", NAMES)
def test_deterministic(make, store, name):
    assert scored(make, name, pairs(store)) == scored(make, name, pairs(store))


@pytest.mark.parametrize("name", NAMES)
def test_order_of_clips_does_not_matter(make, store, name):
    assert_same(scored(make, name, pairs(store)), scored(make, name, pairs(store)[::-1]), 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_shards_merge_to_the_whole(make, store, name):
    items = pairs(store)
    first, second, empty = (make.evaluator(name) for _ in range(3))
    for shard, part in ((first, items[:1]), (second, items[1:])):
        for prediction, clip in part:
            shard.update(prediction, clip)
    first.merge(second)
    first.merge(empty)
    assert_same(scored(make, name, items), first.compute(), 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_reset_forgets(make, store, name):
    evaluator = make.evaluator(name)
    for prediction, clip in pairs(store):
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
    numbers = scored(make, name, pairs(store))
    columns = get_evaluator(name).columns
    assert columns
    assert all(np.isfinite(numbers[column.key]) for column in columns)
    assert numbers["n"] > 0


@pytest.mark.parametrize("name", NAMES)
def test_values_of_a_clip_are_plain_numbers(make, store, name):
    prediction, clip = pairs(store)[0]
    values = make.evaluator(name).update(prediction, clip)
    assert all(np.isfinite(value) for value in values.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_is_the_weighted_mean_of_the_clips(make, store, name):
    """Intervals are drawn from clip values, weighted by `<key>_n` or the clip's frames; FGD has no value of a clip."""
    evaluator = make.evaluator(name)
    items = [
        (prediction.cut(0, n), shortened(clip, n)) for (prediction, clip), n in zip(pairs(store), (240, 180, 240, 210))
    ]
    values = [(evaluator.update(prediction, clip), clip.motion.n_frames) for prediction, clip in items]
    numbers = evaluator.compute()
    for key in {key for value, _ in values for key in value if not key.endswith("_n")}:
        of_clips = [(value[key], value.get(f"{key}_n", frames)) for value, frames in values if key in value]
        scores, weights = zip(*of_clips)
        assert numbers[key] == pytest.approx(np.average(scores, weights=weights), rel=1e-9), key
    assert any(value for value, _ in values) or name == "fgd"


@pytest.mark.parametrize("name", NAMES)
def test_nan_names_the_clip(make, store, name):
    prediction, clip = pairs(store)[0]
    poses = np.array(prediction.poses)
    poses[5, 7] = np.nan
    with pytest.raises(InputError, match=clip.id):
        make.evaluator(name).update(replace(prediction, poses=poses), clip)


@pytest.mark.parametrize("name", NAMES)
def test_another_length_names_the_clip(make, store, name):
    prediction, clip = pairs(store)[0]
    with pytest.raises(InputError, match=rf"{clip.id}: 239 frames; expected 240"):
        make.evaluator(name).update(prediction.cut(0, 239), clip)


@pytest.mark.parametrize("name", NAMES)
def test_another_frame_rate_is_refused(make, store, name):
    prediction, clip = pairs(store)[0]
    with pytest.raises(InputError, match="15 frames per second"):
        make.evaluator(name).update(replace(prediction, fps=15), clip)


@pytest.mark.parametrize("name", NAMES)
def test_one_frame_is_counted_or_skipped(make, store, name):
    _, clip = pairs(store)[0]
    short = shortened(clip, 1)
    items = pairs(store)
    before = scored(make, name, items)
    after = scored(make, name, [*items, (short.motion, short)])
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


def test_motion_is_left_as_it_was(make, store):
    prediction, clip = pairs(store)[0]
    before = prediction.poses.copy()
    for name in NAMES:
        make.evaluator(name).update(prediction, clip)
    assert np.array_equal(prediction.poses, before)


def test_metrics_are_found_without_heavy_imports():
    """Planning asks for configurations and columns only; it must not wait for torch, scipy or librosa."""
    code = (
        "import sys; from gesturebench.evaluators.registry import evaluator_names, get_evaluator\n"
        "for name in evaluator_names(): get_evaluator(name).preset('demo')\n"
        "print(sorted({'torch', 'scipy', 'librosa'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
