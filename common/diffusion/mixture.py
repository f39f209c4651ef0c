"""Condition mixture: one predicted x0 from up to four predictions of a network with two conditions (Zhang et al. 2023,
eq. 6).

    x0 = w1 S(retrieval, text) + w2 S(text) + w3 S(retrieval) + w4 S(nothing),    w1 + w2 + w3 + w4 = 1

A policy says which weights a diffusion step has; branches of weight zero are not evaluated. Steps are indices into the
sampler's schedule: 0 is the cleanest, and is taken last. Imports nothing heavy: configurations are made of this.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    AfterValidator,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from gesturebench.common.config import Config
from gesturebench.common.errors import InputError, shown

if TYPE_CHECKING:
    from torch import Tensor

BRANCHES = ("both", "text", "retr", "none")
"""The predictions in the order of their weights, by the conditions they are told."""

CONDITIONS: dict[str, frozenset[str]] = {
    "both": frozenset({"text", "retrieval"}),
    "text": frozenset({"text"}),
    "retr": frozenset({"retrieval"}),
    "none": frozenset(),
}
"""What a run must have so that a branch means something. `text` is all that is said: words, audio, speaker."""

LATE = 100
"""Original timestep (of 1000) from which on, t <= 100, the released rule has its fixed weights."""

Triple = tuple[float, float, float]
"""Weights of both, text and retr; that of none is what is missing to one."""


def completed(triple: Sequence[float]) -> np.ndarray:
    """(4,) float64: the triple and w4 = 1 - w1 - w2 - w3, exactly zero where only rounding is left of it.

    >>> completed((0.1, 0.2, 0.7)).tolist()
    [0.1, 0.2, 0.7, 0.0]
    """
    rest = 1.0 - sum(triple)
    return np.array([*triple, 0.0 if abs(rest) < 1e-12 else rest], dtype=np.float64)


def _sums_to_one(row: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    if abs(sum(row) - 1) > 1e-6:
        raise ValueError(f"four weights that sum to 1, not to {sum(row):.6g}")
    return row


Row = Annotated[tuple[float, float, float, float], AfterValidator(_sums_to_one)]

Policy = Literal["released", "released_mean", "paper", "fixed", "cfg_text", "both_only", "none"]

READ: dict[str, tuple[str, ...]] = {
    "released": ("coarse_scale", "fine"),
    "released_mean": ("coarse_scale", "fine"),
    "paper": ("coarse", "fine", "fine_steps"),
    "fixed": ("table",),
    "cfg_text": ("scale",),
    "both_only": (),
    "none": (),
}
"""The settings that each policy reads."""


class MixtureConfig(Config):
    """A policy and its numbers (docs/condition-mixture.md).

    `released`: as the published code, w = 1 + coarse_scale t / 1000 while t > 100, given to `both` and 1 - w to `retr`,
    or to `text` and `none`, as a coin falls at each step; then `fine`. `released_mean`: the mean of both sides of the
    coin. `paper`: `coarse`, and in the last `fine_steps` steps `fine`. `fixed`: the rows of `table`. `cfg_text`:
    `scale` of `text` and 1 - `scale` of `none`. `both_only`, `none`: that one branch.
    """

    principal = "policy"

    policy: Policy = "released"
    coarse_scale: float = 4.0
    """As published for KIT-ML; 6.5 for HumanML3D."""
    coarse: Triple = (1.0, 0.0, 0.0)
    fine: Triple = (1.0, 0.0, 0.0)
    """Published, of `released`: (0.52351, -0.28419, 2.39872) for HumanML3D, (0.78123, 0.39284, -0.12475) for KIT-ML."""
    fine_steps: int = Field(10, ge=1)
    scale: float = 2.5
    table: tuple[Row, ...] = ()
    """Weights of both, text, retr and none: one row for all steps or one for each, the cleanest step first."""

    @model_validator(mode="after")
    def _a_table_where_it_is_read(self) -> Self:
        if self.policy == "fixed" and not self.table:
            raise ValueError("a table of weights with the policy fixed: rows of both, text, retr, none")
        return self

    @model_serializer(mode="wrap")
    def _what_is_read(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """In JSON, of which a run's key is made, only what the policy reads."""
        values = handler(self)
        if info.mode == "json":
            values = {name: values[name] for name in ("policy", *READ[self.policy])}
        return values

    def needs(self) -> frozenset[str]:
        """The conditions of all branches that some step weighs: a subset of `text`, `retrieval`.

        >>> sorted(MixtureConfig(policy="cfg_text").needs())
        ['text']
        """
        steps = len(self.table) if self.policy == "fixed" else self.fine_steps + LATE + 2
        rows = POLICIES[self.policy](self, np.arange(steps))
        used = (rows != 0).any((0, 1))
        return frozenset().union(*(CONDITIONS[name] for name, weighed in zip(BRANCHES, used, strict=True) if weighed))


class ConditionMixture:
    """The weights of a policy at the timesteps of a sampler.

    >>> mixture = ConditionMixture(MixtureConfig(policy="released", coarse_scale=6.5), timesteps=(0, 500))
    >>> mixture.weights(1, coin=0).tolist(), mixture.needed(1, coin=1)
    ([4.25, 0.0, -3.25, 0.0], ('text', 'none'))
    """

    def __init__(
        self,
        config: MixtureConfig,
        timesteps: Sequence[int],
        conditions: Iterable[str] = ("text", "retrieval"),
    ):
        """`timesteps` (S,) original ones, ascending; `conditions` those that the run has: a policy that weighs a branch
        with another one is refused.
        """
        self.config, self.conditions = config, frozenset(conditions)
        self._tables = POLICIES[config.policy](config, np.asarray(timesteps, np.int64))
        assert self._tables.shape == (2, len(timesteps), len(BRANCHES))
        assert np.abs(self._tables.sum(-1) - 1).max() < 1e-6, "the weights of a step sum to one"
        refuse_absent(config.policy, (self._tables != 0).any((0, 1)), self.conditions)

    def __len__(self) -> int:
        return self._tables.shape[1]

    def weights(self, step: int, coin: int = 0) -> np.ndarray:
        """(4,) float64 of both, text, retr, none; `coin` 0 or 1 matters to `released` alone."""
        return self._tables[coin, step]

    def needed(self, step: int, coin: int = 0) -> tuple[str, ...]:
        """The branches with a weight, in the order of `BRANCHES`."""
        return tuple(name for name, w in zip(BRANCHES, self.weights(step, coin), strict=True) if w != 0)

    def mix(self, step: int, predictions: Mapping[str, "Tensor"], coin: int = 0) -> "Tensor":
        """x0 from the predictions of the branches that `needed` names; others may be there and are not read."""
        return mixed(self.weights(step, coin), predictions)

    def coins(self, generator: np.random.Generator) -> tuple[int, ...]:
        """One side per step, by index: what `released` tosses."""
        return tuple(generator.integers(0, 2, len(self)).tolist())

    @property
    def evaluations(self) -> int:
        """Branch evaluations of one sample: 116 of 200 for `released` at the published 50 steps."""
        return sum(len(self.needed(step)) for step in range(len(self)))


def mixed(weights: Sequence[Any], predictions: Mapping[str, "Tensor"]) -> "Tensor":
    """sum_i w_i S_i over the four weights in the order of `BRANCHES`; of a weight that is the number zero the
    prediction is not read. Weights may be tensors without dimensions, so that derivatives can be taken in them.
    """
    total = None
    for name, weight in zip(BRANCHES, weights, strict=True):
        if isinstance(weight, float):  # numpy's float64 among them, which would make float32 tensors float64
            if weight == 0:
                continue
            weight = float(weight)
        total = weight * predictions[name] if total is None else total + weight * predictions[name]
    return total


def refuse_absent(policy: str, used_4: Sequence[bool], conditions: frozenset[str]) -> None:
    """`InputError` if a branch that is weighed needs a condition that the run does not have."""
    for branch, used in zip(BRANCHES, used_4, strict=True):
        if used and (absent := sorted(CONDITIONS[branch] - conditions)):
            raise InputError(
                f"mixture.policy = {shown(policy)}: weighs the branch '{branch}', and this run has no {absent[0]}",
                expected=f"a policy for {' and '.join(sorted(conditions)) or 'no condition'} alone",
                remedy=f"take {_ALTERNATIVE[conditions]}, or give the run its {absent[0]}",
            )


_ALTERNATIVE = {
    frozenset({"text"}): "cfg_text",
    frozenset({"retrieval"}): "fixed with weights of retr and none",
    frozenset(): "none",
}


def _released(config: MixtureConfig, t_S: np.ndarray) -> np.ndarray:
    """(2, S, 4)."""
    w, zero = 1 + t_S / 1000 * config.coarse_scale, np.zeros(len(t_S))
    sides = np.stack([np.stack([w, zero, 1 - w, zero], -1), np.stack([zero, w, zero, 1 - w], -1)])
    return np.where((t_S > LATE)[:, None], sides, completed(config.fine))


def _released_mean(config: MixtureConfig, t_S: np.ndarray) -> np.ndarray:
    return np.broadcast_to(_released(config, t_S).mean(0), (2, len(t_S), 4))


def _paper(config: MixtureConfig, t_S: np.ndarray) -> np.ndarray:
    if config.fine_steps >= len(t_S):
        raise InputError(
            f"mixture.fine_steps = {config.fine_steps}",
            expected=f"fewer than the {len(t_S)} steps that are taken",
            remedy="lower it, or sample in more steps",
        )
    late = np.arange(len(t_S)) < config.fine_steps
    return _both_sides(np.where(late[:, None], completed(config.fine), completed(config.coarse)))


def _fixed(config: MixtureConfig, t_S: np.ndarray) -> np.ndarray:
    if len(config.table) not in (1, len(t_S)):
        raise InputError(
            f"mixture.table: {len(config.table)} rows",
            expected=f"one row for all steps, or one for each of the {len(t_S)}",
            remedy="correct the table",
        )
    return _both_sides(np.broadcast_to(np.array(config.table, dtype=np.float64), (len(t_S), 4)))


def _constant(*row: float) -> "Rule":
    return lambda config, t_S: _both_sides(np.tile(np.array(row), (len(t_S), 1)))


def _cfg_text(config: MixtureConfig, t_S: np.ndarray) -> np.ndarray:
    return _constant(0, config.scale, 0, 1 - config.scale)(config, t_S)


def _both_sides(table_S4: np.ndarray) -> np.ndarray:
    return np.broadcast_to(table_S4, (2, *table_S4.shape))


Rule = Callable[[MixtureConfig, np.ndarray], np.ndarray]
"""(config, timesteps (S,)) -> weights (2, S, 4) for either side of the coin."""

POLICIES: dict[str, Rule] = {
    "released": _released,
    "released_mean": _released_mean,
    "paper": _paper,
    "fixed": _fixed,
    "cfg_text": _cfg_text,
    "both_only": _constant(1.0, 0.0, 0.0, 0.0),
    "none": _constant(0.0, 0.0, 0.0, 1.0),
}
