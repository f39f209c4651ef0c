"""The `smplx` package behind the interface of our own body (extra `body`; its licence is non-commercial)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gesturebench.common.corpus.clip import BETA_DIM, EXPRESSION_DIM, Motion
from gesturebench.common.errors import InputError
from gesturebench.common.motion.body import CHUNK
from gesturebench.common.motion.body_file import read_body
from gesturebench.common.motion.skeleton import N_JOINTS

_SPLIT = {
    "global_orient": 3, "body_pose": 63, "jaw_pose": 3, "leye_pose": 3, "reye_pose": 3, "left_hand_pose": 45,
    "right_hand_pose": 45,
}  # fmt: skip
"""The arguments of the package and their share of the 165 pose channels."""


class SmplxBody:
    """Vertices and joints as `smplx` computes them, with BEAT2's settings: 300 betas, 100 expressions, no PCA hands."""

    def __init__(self, path: Path):
        try:
            import smplx
        except ImportError as error:
            raise InputError(
                "the package smplx is not installed", remedy="pip install 'gesturebench[body]', or use our own skinning"
            ) from error
        read_body(path, ("v_template",))
        self._model = smplx.SMPLX(
            str(path), gender="neutral", ext="npz", num_betas=BETA_DIM, num_expression_coeffs=EXPRESSION_DIM,
            use_pca=False, batch_size=1,
        ).eval()  # fmt: skip

    @property
    def faces(self) -> np.ndarray:
        return self._model.faces.astype(np.int64)

    def vertices(self, motion: Motion, *, trans: bool = True, chunk: int = CHUNK) -> Iterator[np.ndarray]:
        """(t, V, 3) float32, `chunk` frames at a time."""
        for start in range(0, motion.n_frames, chunk):
            yield self._forward(motion.cut(start, start + chunk), trans).vertices.numpy()

    def positions(self, motion: Motion, *, trans: bool = True, chunk: int = CHUNK) -> np.ndarray:
        """(T, 55, 3) joint positions, with expressions."""
        starts = range(0, motion.n_frames, chunk)
        chunks = [self._forward(motion.cut(s, s + chunk), trans).joints[:, :N_JOINTS].numpy() for s in starts]
        return np.concatenate(chunks)

    def _forward(self, motion: Motion, trans: bool) -> Any:
        import torch

        def tensor(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.array(array, dtype=np.float32))

        parts = dict(zip(_SPLIT, tensor(motion.poses).split(tuple(_SPLIT.values()), dim=1), strict=True))
        betas = tensor(motion.betas).expand(motion.n_frames, -1)
        moved = tensor(motion.trans if trans else np.zeros_like(motion.trans))
        with torch.no_grad():
            return self._model(betas=betas, expression=tensor(motion.expressions), transl=moved, **parts)
