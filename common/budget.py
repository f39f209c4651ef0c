"""How long something is trained: counted in steps, never in seconds, so that equal seeds give equal results on slow
machines too.
"""

from pydantic import Field

from gesturebench.common.config import Config


class Training(Config):
    """`steps` of `batch` windows, Adam at `lr`, cosine decay to `lr * final_lr`, a checkpoint every `save_every`."""

    steps: int = Field(400, ge=0)
    batch: int = Field(32, ge=1)
    lr: float = Field(1e-3, gt=0)
    final_lr: float = Field(0.05, ge=0)
    clip_norm: float | None = Field(1.0, gt=0)
    save_every: int = Field(100, ge=1)
