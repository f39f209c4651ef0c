"""Trainings on several processes get jobs that have room for them."""

import pytest

from gesturebench.benchmarks.resources import Resources
from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError
from gesturebench.slurm.profile import Profile
from gesturebench.slurm.room import check_room


def fit(processes: int, **resources) -> Step:
    config = {"codec": {"training": {"batch": 12, "processes": processes}}}
    return Step("fit", "vae", {"config": config}, resources=Resources(**resources))


@pytest.mark.parametrize(
    ("processes", "resources", "told"),
    [
        (4, {}, "4 training processes on a node, and cpus = 1"),
        (4, {"cpus": 3}, "cpus = 3"),
        (4, {"cpus": 1, "nodes": 2}, "2 training processes on a node"),
        (3, {"cpus": 4, "nodes": 2}, "3 training processes on 2 nodes"),
    ],
)
def test_too_little_room_is_told_before_anything_is_submitted(processes, resources, told):
    with pytest.raises(InputError) as refused:
        check_room([fit(processes, **resources)], Profile())
    assert told in str(refused.value)


def test_enough_room_is_enough():
    check_room([fit(4, cpus=2, nodes=2), fit(1), fit(3, cpus=3), Step("evaluate", "bc", {})], Profile())
