"""How long something is trained, and how: counted in steps, never in seconds, so that equal seeds give equal results
on slow machines too.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import (
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from gesturebench.common.config import Config


class Training(Config):
    """`steps` of `batch` windows, `optimizer` at `lr`, which decays to `lr * final_lr`.

    A checkpoint every `save_every` steps, and every `save_minutes` of wall time if that is sooner. `processes` share
    the batch: each draws an equal part of it, so another number of them is another sequence of draws.
    """

    steps: int = Field(400, ge=0)
    batch: int = Field(32, ge=1)
    optimizer: Literal["adam", "adamw"] = "adam"
    lr: float = Field(1e-3, gt=0)
    final_lr: float = Field(0.05, ge=0)
    decay: Literal["cosine", "step"] = "cosine"
    """`step`: the rate falls at once, after `decay_steps`; a training that is over before then keeps its rate."""
    decay_steps: int | None = Field(None, ge=1)
    """Steps that the decay takes, None: `steps`. Published weights are often taken long before its end."""
    warmup: int = Field(0, ge=0)
    """Steps in which the rate rises in a straight line from `lr * final_lr` to where its decay has it by then."""
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(0.0, ge=0)
    clip_norm: float | None = Field(1.0, gt=0)
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of matrix products and what follows from them; weights, losses and the optimiser stay in float32. In float16 the
    loss is scaled so that small gradients do not vanish."""
    accumulate: int = Field(1, ge=1)
    """Parts in which a process takes its share of the batch through the network, one after another: the memory of one
    part, the gradient of all, the same draws; up to rounding and dropout the same training."""
    ema: float | None = Field(None, gt=0, lt=1)
    """Decay of a moving average of the weights, which then is the result; None: the last weights are."""
    save_every: int = Field(100, ge=1)
    save_minutes: float = Field(5.0, gt=0)
    processes: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _shares_are_equal(self) -> Self:
        if self.batch % self.processes:
            raise ValueError(f"a batch ({self.batch}) that {self.processes} processes can share equally")
        if self.rows % self.accumulate:
            raise ValueError(f"a share of the batch ({self.rows}) that has {self.accumulate} equal parts (accumulate)")
        return self

    @model_validator(mode="after")
    def _decay_outlasts_the_training(self) -> Self:
        if self.decay == "cosine" and self.decay_steps is not None and self.decay_steps < self.steps:
            raise ValueError(f"decay_steps ({self.decay_steps}) not below steps ({self.steps})")
        return self

    @model_serializer(mode="wrap")
    def _cosine_goes_without_saying(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """In JSON, of which a component's key is made, the kind of decay and a warm-up stand only where they are
        others."""
        values = handler(self)
        if info.mode == "json" and self.decay == "cosine":
            del values["decay"]
        if info.mode == "json" and not self.warmup:
            del values["warmup"]
        return values

    @property
    def rows(self) -> int:
        """Windows of the batch that one process draws."""
        return self.batch // self.processes

    def divided(self, divisor: int) -> "Training":
        """With parts of the batch that need less memory, of at least one window each.

        >>> Training(batch=32, processes=4).divided(2).batch, Training(batch=3).divided(4).batch
        (16, 1)
        """
        part = max(1, self.rows // self.accumulate // divisor)
        return self.model_copy(update={"batch": part * self.accumulate * self.processes})


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
