"""How a condition mixture is searched for, and the artifact that a search leaves. Imports nothing heavy."""

from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SerializationInfo, SerializerFunctionWrapHandler, model_serializer, model_validator

from gesturebench.common.config import Config
from gesturebench.common.diffusion.mixture import MixtureConfig
from gesturebench.common.files import read_json

FOUND = "mixture.json"
"""Inside the artifact of a search: `{"mixture": {"coarse", "fine", "fine_steps"}, "distance", ...}`."""

FINE = ("difference", "fine_clips", "linear_steps", "lr", "reach", "steps")
"""The settings that only the second stage reads."""


class MixtureSearchConfig(Config):
    """The search for the weights of the policy `paper` (docs/condition-mixture.md).

    `none`: nothing is searched. `grid`: (w1, w2) of the coarse steps on a grid, then on a finer one around the best
    point, w3 = 1 - w1 - w2, w4 = 0. `fine`: then also w1, w2, w3 of the last steps, by their derivatives. The criterion
    is the Fréchet distance to the training split on a frozen embedding of motion.
    """

    principal = "stages"

    stages: Literal["none", "grid", "fine"] = "none"
    clips: int = Field(128, ge=2)
    """Training windows that a grid point is judged on; the noise of each is the same at every point."""
    bound: float = Field(5.0, gt=0)
    """Weights from -bound to bound."""
    spacing: float = Field(1.0, gt=0)
    finer: float = Field(0.5, gt=0)
    """Spacing of the second level, as far as the best point's neighbours on the first."""
    rounds: tuple[int, ...] = (16, 48)
    """Clips that a level's points are judged on before the best of them go on to more; none: all points at once on all
    `clips`."""
    kept: float = Field(0.25, gt=0, le=1)
    """Share of the points that goes on to the next round."""
    ridge: float = Field(1e-3, gt=0)
    """Added to the diagonal of both covariances, in shares of the reference's mean variance: few clips leave many
    directions without any."""
    batch: int = Field(16, ge=1)
    """Clips sampled together."""
    references: int = Field(1024, ge=2)
    """Training windows, at most, whose true motion is the reference."""
    fine_clips: int = Field(256, ge=2)
    steps: int = Field(1000, ge=1)
    """Steps of Adam on the three weights."""
    lr: float = Field(1e-2, gt=0)
    linear_steps: int = Field(50, ge=1)
    """Steps between two evaluations of the derivatives of the embeddings; 1: at every step."""
    reach: float = Field(0.25, gt=0)
    """How far a weight may go on the same derivatives."""
    difference: float = Field(1e-2, gt=0)
    """Half the distance of the two points that a derivative is the slope between."""

    @model_validator(mode="after")
    def _rounds_grow(self) -> Self:
        steps = (1, *self.rounds, self.clips)
        if any(later <= earlier for earlier, later in pairwise(steps)):
            raise ValueError(f"rounds that grow from 2 clips at least to fewer than clips = {self.clips}")
        return self

    @model_serializer(mode="wrap")
    def _what_is_read(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """In JSON, of which a run's key is made, only what the stages read."""
        values = handler(self)
        if info.mode == "json" and self.stages == "none":
            return {"stages": "none"}
        if info.mode == "json" and self.stages == "grid":
            return {name: value for name, value in values.items() if name not in FINE}
        return values

    def of_grid(self) -> dict[str, Any]:
        """What the first stage depends on, as JSON: equal with and without a second one."""
        values = self.model_copy(update={"stages": "grid"}).model_dump(mode="json")
        return {name: value for name, value in values.items() if name != "stages"}


def found(folder: Path) -> MixtureConfig:
    """The policy that a search's artifact holds: what generation uses."""
    return MixtureConfig.parse({"policy": "paper", **read_json(folder / FOUND)["mixture"]}, f"{folder / FOUND}")
