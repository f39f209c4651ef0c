"""How long something is trained: counted in steps, never in seconds, so that equal seeds give equal results on slow
machines too.
"""

from gesturebench.common.config import Config


class Training(Config):
    """`steps` of `batch` windows, Adam at `lr`, cosine decay to `lr * final_lr`, a checkpoint every `save_every`."""

    steps: int = 400
    batch: int = 32
    lr: float = 1e-3
    final_lr: float = 0.05
    clip_norm: float | None = 1.0
    save_every: int = 100
