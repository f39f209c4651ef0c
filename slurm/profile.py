"""The profile of a cluster: what jobs ask for there, how many steps a job may hold, what is done about failures."""

import math
from pathlib import Path
from typing import Annotated, get_args

from pydantic import Field

from gesturebench.benchmarks.policy import Policy
from gesturebench.benchmarks.resources import Resources
from gesturebench.benchmarks.step import Kind, Step
from gesturebench.benchmarks.yaml_file import read_mapping
from gesturebench.common.config import Config
from gesturebench.common.errors import InputError

Text = Annotated[str, Field(min_length=1)]


class Request(Resources):
    """What a job asks Slurm for: the resources of a step, and where on the cluster. `gres` is passed on as it stands;
    `options` are further flags of sbatch by name (`{nice: 100}`)."""

    partition: Text | None = None
    account: Text | None = None
    qos: Text | None = None
    gres: Text | None = None
    constraint: Text | None = None
    options: dict[str, str | int | bool] = Field(default_factory=dict)

    def overlaid(self, other: Resources) -> "Request":
        """This request, with everything that `other` says in its place."""
        said = other.model_dump(exclude_none=True, exclude_defaults=True)
        return self.model_copy(update=said | {"options": self.options | said.get("options", {})})

    @property
    def minutes(self) -> int:
        return math.ceil(self.time_min)


DEFAULT = Request(cpus=1, mem_gb=4, time_min=60, nodes=1)
"""Where neither the grid nor the profile says anything."""


class PerKind(Config):
    """Requests by kind of step."""

    corpus: Request = Request()
    prepare: Request = Request()
    fit: Request = Request()
    generate: Request = Request()
    evaluate: Request = Request()


assert set(PerKind.model_fields) == set(get_args(Kind))


class Profile(Config):
    """A cluster, as `cluster.yaml` describes it.

    `defaults` holds for every step, `steps` for one kind, a grid's own resources win over both. `setup` are lines of
    the shell before python starts (modules), `python` the interpreter there (default: this one), `environment`
    variables of the jobs. At most `array_parallelism` jobs of an array run at a time. Short steps share a job up to
    `pack_minutes` of expected work and `pack_max` steps. `signal_delay_s` before a time limit a job is warned, saves
    its checkpoint and goes back to the queue. A job that Slurm does not know `lost_after_s` after its submission was
    forgotten. After `breaker` failures of the same text nothing new is started (0: never).
    """

    defaults: Request = Request()
    steps: PerKind = PerKind()
    setup: tuple[str, ...] = ()
    python: Text | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    exclude: tuple[Text, ...] = ()
    array_parallelism: int = Field(256, ge=1)
    array_max: int = Field(1000, ge=1)
    pack_minutes: float = Field(30, gt=0)
    pack_max: int = Field(100, ge=1)
    signal_delay_s: int = Field(90, ge=5)
    lost_after_s: float = Field(120, gt=0)
    breaker: int = Field(5, ge=0)
    policy: Policy = Policy()

    def checked(self, where: str = "profile") -> "Profile":
        """The profile, if every job outlives its warning."""
        for kind in PerKind.model_fields:
            request = DEFAULT.overlaid(self.defaults).overlaid(getattr(self.steps, kind))
            self.check_time(request, f"{where}: {kind} steps")
        return self

    def check_time(self, request: Request, what: str) -> None:
        """Refuse jobs that would be warned of their end as soon as they begin."""
        if request.minutes * 60 <= self.signal_delay_s:
            raise InputError(
                f"{what} get {request.minutes} min, and are to be warned {self.signal_delay_s} s before",
                expected="a time limit longer than signal_delay_s",
                remedy="raise time_min or lower signal_delay_s",
            )

    def request(self, step: Step) -> Request:
        """What a job for this step asks for."""
        found = DEFAULT.overlaid(self.defaults).overlaid(getattr(self.steps, step.kind))
        return found if step.resources is None else found.overlaid(step.resources)


def load_profile(path: Path | None) -> Profile:
    """The profile in a YAML file; without one, Slurm's own defaults."""
    if path is None:
        return Profile()
    if not path.is_file():
        raise InputError(f"{path}: no such file", expected="a YAML file", remedy="correct --profile")
    values = read_mapping(
        path,
        expected="a mapping with defaults, steps, setup ...",
        remedy="correct the file, or leave --profile out for Slurm's defaults",
    )
    return Profile.parse(values, path.name).checked(path.name)
