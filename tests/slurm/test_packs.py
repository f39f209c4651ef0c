"""From steps to arrays: who shares a job, who waits for whom."""

import pytest

from gesturebench.benchmarks.step import Step, closure
from gesturebench.slurm.packs import Dependency, Limits, Place, make_arrays
from gesturebench.slurm.profile import DEFAULT, Profile

LIMITS = Limits(seconds=600, steps=100)


def step(kind: str, name: str, *needs: Step) -> Step:
    return Step(kind, name, {"name": name}, {need.label: need for need in needs})


def arrays_of(steps, *, seconds=None, limits=LIMITS, live=None, request_of=lambda step: DEFAULT):
    steps = closure(steps)
    steps = tuple(found for found in steps if not live or found.key not in live)
    expected = {found.key: 10.0 for found in steps} | (seconds or {})
    return make_arrays(steps, request_of, expected, limits, lambda number: f"a{number}", live)


def labels(array) -> list[list[str]]:
    return [[found.label for found in pack] for pack in array.packs]


def test_every_step_is_in_one_pack_after_what_it_needs():
    data = step("prepare", "data")
    fits = [step("fit", f"f{i}", data) for i in range(7)]
    scores = [step("evaluate", f"s{i}{j}", fits[i], fits[j]) for i in range(7) for j in range(i)]
    arrays = arrays_of(scores)
    packed = [found.key for array in arrays for pack in array.packs for found in pack]
    assert sorted(packed) == sorted(found.key for found in closure(scores))
    assert [array.packs[0][0].kind for array in arrays] == sorted(
        (array.packs[0][0].kind for array in arrays), key=["prepare", "fit", "evaluate"].index
    )


def test_short_steps_share_a_job_and_long_ones_have_their_own():
    steps = [step("evaluate", str(i)) for i in range(10)]
    (array,) = arrays_of(steps, seconds={steps[4].key: 5000.0})
    assert labels(array) == [["0", "1", "2", "3"], ["4"], ["5", "6", "7", "8", "9"]]


def test_a_job_takes_no_more_steps_than_it_may_nor_half_of_its_time():
    steps = [step("evaluate", str(i)) for i in range(250)]
    (by_count,) = arrays_of(steps, seconds={found.key: 0.1 for found in steps})
    assert [len(pack) for pack in by_count.packs] == [100, 100, 50]
    short = DEFAULT.model_copy(update={"time_min": 2})
    (by_time,) = arrays_of(steps[:12], request_of=lambda found: short)
    assert [len(pack) for pack in by_time.packs] == [6, 6]


def test_equal_chains_are_paired_element_by_element():
    data, encoder = step("prepare", "data"), step("fit", "encoder")
    motions = [step("generate", f"m{i}", data) for i in range(3)]
    scores = [step("evaluate", f"bc{i}", motion) for i, motion in enumerate(motions)]
    rated = [step("evaluate", f"fgd{i}", motion, encoder) for i, motion in enumerate(motions)]
    long = {motion.key: 600.0 for motion in motions}
    arrays = {array.packs[0][0].label: array for array in arrays_of([*scores, *rated], seconds=long)}
    motion = arrays["m0"]
    assert motion.after == (Dependency("afterok", arrays["data"].name, 0),)
    assert labels(motion) == [["m0"], ["m1"], ["m2"]]
    assert arrays["bc0"].after == (Dependency("aftercorr", motion.name),)
    assert labels(arrays["bc0"]) == [["bc0"], ["bc1"], ["bc2"]]
    assert arrays["fgd0"].after == (
        Dependency("aftercorr", motion.name),
        Dependency("afterok", arrays["encoder"].name, 0),
    )


def test_what_a_needed_step_waits_for_is_not_named_again():
    data = step("prepare", "data")
    codec = step("fit", "codec", data)
    model = step("fit", "model", data, codec)
    motion = step("generate", "motion", data, codec, model)
    arrays = {array.packs[0][0].label: array for array in arrays_of([motion])}
    assert arrays["motion"].after == (Dependency("afterok", arrays["model"].name, 0),)


def test_groups_that_wait_for_different_things_get_an_array_each_until_they_are_many():
    fits = [step("fit", f"f{i}") for i in range(60)]
    long = {fit.key: 600.0 for fit in fits}
    few = [step("evaluate", f"s{i}", fits[i], fits[i + 1]) for i in range(5)]
    assert len(arrays_of(few, seconds=long)) == 1 + 5
    many = [step("evaluate", f"s{i}", fits[i], fits[i + 1]) for i in range(50)]
    first, second = arrays_of(many, seconds=long)
    assert second.after == (Dependency("afterany", first.name),)


def test_five_hundred_cells_with_eight_metrics_are_a_few_calls():
    data = step("prepare", "data")
    motions = [step("generate", f"m{i}", data) for i in range(500)]
    scores = [step("evaluate", f"{i} {metric}", motion) for i, motion in enumerate(motions) for metric in range(8)]
    arrays = arrays_of(scores, seconds={score.key: 3.0 for score in scores}, limits=Limits(1800, 100))
    assert len(arrays) <= 10
    assert sum(len(array.packs) for array in arrays) <= 60


def test_what_is_in_a_job_already_is_waited_for_and_not_packed():
    fit = step("fit", "fit")
    motion = step("generate", "motion", fit)
    (array,) = arrays_of([motion], live={fit.key: Place("other", 7)})
    assert array.after == (Dependency("afterok", "other", 7),)


def test_a_corpus_is_made_in_the_job_that_needs_it():
    corpus = step("corpus", "corpus")
    stores = [step("prepare", f"store {i}", corpus) for i in range(2)]
    first, second = arrays_of(stores)
    assert labels(first) == [["corpus", "store 0"]]
    assert labels(second) == [["store 1"]]
    assert second.after == (Dependency("afterok", first.name, 0),)


def test_arrays_are_cut_at_what_the_cluster_takes():
    steps = [step("fit", str(i)) for i in range(25)]
    long = {found.key: 600.0 for found in steps}
    arrays = arrays_of(steps, seconds=long, limits=Limits(600, 100, array=10))
    assert [len(array.packs) for array in arrays] == [10, 10, 5]


@pytest.mark.parametrize("kind", ["fit", "evaluate"])
def test_steps_of_different_resources_do_not_share_a_job(kind):
    profile = Profile.parse({"steps": {"fit": {"gpus": 1}}})
    steps = [step(kind, "a"), step("generate", "b")]
    assert len(arrays_of(steps, request_of=profile.request)) == 2
