"""Trainings on several processes: whether their jobs have room for them."""

from collections.abc import Iterable

from gesturebench.benchmarks.step import Step
from gesturebench.common.budget import processes_of
from gesturebench.common.errors import InputError
from gesturebench.slurm.profile import Profile


def check_room(steps: Iterable[Step], profile: Profile) -> None:
    """Refuse trainings whose processes cannot be shared equally by the machines of their job, or get no core each."""
    for step in steps:
        processes = processes_of(step.spec.get("config", {})) if step.kind == "fit" else 1
        if processes == 1:
            continue
        request = profile.request(step)
        each, odd = divmod(processes, request.nodes)
        if odd:
            raise InputError(
                f"fit {step.label}: {processes} training processes on {request.nodes} nodes",
                expected="equally many on each",
                remedy="change nodes in the profile or the grid's resources, or training.processes",
            )
        if request.cpus < each:
            raise InputError(
                f"fit {step.label}: {each} training processes on a node, and cpus = {request.cpus}",
                expected=f"at least {each} cpus",
                remedy=f"say `steps: {{fit: {{cpus: {each}}}}}` in the profile, or change training.processes",
            )
