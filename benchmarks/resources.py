"""What a step asks of the machine it runs on. It decides where and how long a step may run, never its result."""

from typing import Annotated

from pydantic import Field

from gesturebench.common.config import Config

Count = Annotated[int, Field(ge=0)]


class Resources(Config):
    """Of one kind of step: `gpus` and `cpus` for each of `nodes` machines, `mem_gb` gigabytes of memory on each,
    `time_min` minutes after which it may be ended. None leaves the choice to the launcher's profile.
    """

    gpus: Count | None = None
    cpus: Annotated[int, Field(ge=1)] | None = None
    mem_gb: Annotated[float, Field(gt=0)] | None = None
    time_min: Annotated[float, Field(gt=0)] | None = None
    nodes: Annotated[int, Field(ge=1)] | None = None
