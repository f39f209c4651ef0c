"""Profiles: what a step asks for, and what is refused."""

import pytest

from gesturebench.benchmarks.resources import Resources
from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError
from gesturebench.slurm.executor import parameters
from gesturebench.slurm.profile import Profile, load_profile


def profile_of(tmp_path, text: str) -> Profile:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    return load_profile(path)


def test_the_grid_wins_over_the_kind_and_the_kind_over_the_default(tmp_path):
    profile = profile_of(
        tmp_path, "defaults: {partition: cpu, mem_gb: 8}\nsteps: {fit: {partition: gpu, gpus: 1, time_min: 600}}\n"
    )
    plain = profile.request(Step("evaluate", "e", {}))
    assert (plain.partition, plain.mem_gb, plain.gpus, plain.minutes, plain.cpus) == ("cpu", 8, None, 60, 1)
    fit = profile.request(Step("fit", "f", {}, resources=Resources(gpus=4, time_min=0.5)))
    assert (fit.partition, fit.mem_gb, fit.gpus, fit.minutes) == ("gpu", 8, 4, 1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("partion: gpu\n", "unknown key of cluster.yaml 'partion'"),
        ("defaults: {partion: gpu}\n", "did you mean 'partition'"),
        ("steps: {fits: {gpus: 1}}\n", "did you mean 'fit'"),
        ("policy: {crashs: 1}\n", "did you mean 'crash'"),
        ("defaults: {cpus: -1}\n", "cluster.yaml.defaults.cpus = -1"),
        ("defaults: {mem_gb: 0}\n", "mem_gb = 0"),
        ("defaults: {time_min: -5}\n", "time_min = -5"),
        ("array_parallelism: 0\n", "array_parallelism = 0"),
        ("pack_minutes: -1\n", "pack_minutes = -1"),
        ("signal_delay_s: 90\ndefaults: {time_min: 1}\n", "time limit longer than signal_delay_s"),
        ("- a list\n", "a mapping"),
        ("a: [\n", "not valid YAML"),
        ("defaults: {cpus: 4}\ndefaults: {mem_gb: 8}\n", "key 'defaults' stands twice"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, text, told):
    with pytest.raises(InputError) as refused:
        profile_of(tmp_path, text)
    assert told in str(refused.value)


def test_a_profile_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml"):
        load_profile(tmp_path / "none.yaml")


def test_the_time_limit_is_a_whole_number_of_minutes():
    """As text submitit takes it, and then never sees that a limit is near."""
    found = parameters(Profile().request(Step("fit", "f", {}, resources=Resources(time_min=90.5))), Profile(), "n", "")
    assert found["time"] == 91
    assert isinstance(found["time"], int)


def test_a_job_of_several_machines_has_one_runner():
    request = Profile().request(Step("fit", "f", {}, resources=Resources(nodes=2)))
    assert "--ntasks=1" in parameters(request, Profile(), "n", "")["srun_args"]
