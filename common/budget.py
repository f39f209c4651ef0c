"""How long something is trained: counted in steps, never in seconds, so that equal seeds give equal results on slow
machines too.
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from gesturebench.common.config import Config


class Training(Config):
    """`steps` of `batch` windows, Adam at `lr`, cosine decay to `lr * final_lr`.

    A checkpoint every `save_every` steps, and every `save_minutes` of wall time if that is sooner. `processes` share
    the batch: each draws an equal part of it, so another number of them is another sequence of draws.
    """

    steps: int = Field(400, ge=0)
    batch: int = Field(32, ge=1)
    lr: float = Field(1e-3, gt=0)
    final_lr: float = Field(0.05, ge=0)
    clip_norm: float | None = Field(1.0, gt=0)
    save_every: int = Field(100, ge=1)
    save_minutes: float = Field(5.0, gt=0)
    processes: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _shares_are_equal(self) -> Self:
        if self.batch % self.processes:
            raise ValueError(f"a batch ({self.batch}) that {self.processes} processes can share equally")
        return self

    @property
    def rows(self) -> int:
        """Windows of the batch that one process draws."""
        return self.batch // self.processes

    def divided(self, divisor: int) -> "Training":
        """With a batch that needs less memory, of at least one window per process.

        >>> Training(batch=32, processes=4).divided(2).batch, Training(batch=3).divided(4).batch
        (16, 1)
        """
        return self.model_copy(update={"batch": max(1, self.rows // divisor) * self.processes})


def processes_of(config: Mapping[str, Any]) -> int:
    """On how many processes a component with this configuration is trained. Its own training is the section `training`
    that lies nearest to the top; those below are of what it builds on.

    >>> processes_of({"codec": {"training": {"batch": 8, "processes": 4}}, "training": {"processes": 2}})
    2
    """
    level = [config]
    while level:
        for section in level:
            if isinstance(section.get("training"), Mapping):
                return Training.parse(dict(section["training"]), "training").processes
        level = [inner for section in level for inner in section.values() if isinstance(inner, Mapping)]
    return 1
