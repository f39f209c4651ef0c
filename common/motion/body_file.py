"""SMPL-X `.npz` files, licensed or stand-in: reading chosen arrays of one, and refusing what is not one."""

import pickle
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from gesturebench.common.corpus.clip import BETA_DIM, EXPRESSION_DIM
from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import N_JOINTS, PARENTS

COEFFICIENTS = BETA_DIM + EXPRESSION_DIM
_UNREADABLE = (
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    pickle.UnpicklingError,
)


def read_body(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named arrays of a body model, checked: finite numbers, shapes that fit together, the SMPL-X tree of joints.

    `v_template` (V, 3) metres, `shapedirs` (V, 3, 400) metres per coefficient (300 shape, 100 expression), `posedirs`
    (V, 3, 486) metres per entry of R - I of joints 1 to 54, `J_regressor` (55, V), `weights` (V, 55), `f` (F, 3)
    vertex numbers, `hands_meanl`, `hands_meanr` (45,) radians.
    """
    try:
        with np.load(path, allow_pickle=True) as body:
            parents = np.asarray(body["kintree_table"][0], dtype=np.int64)
            n_vertices = len(body["v_template"])
            arrays = {name: _trimmed(name, body[name]) for name in names}
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no body model there", remedy="pass --body SMPLX_NEUTRAL_2020.npz or --body standin"
        ) from error
    except _UNREADABLE as error:
        raise InputError(
            f"{path}: not an SMPL-X model ({error})",
            expected="SMPLX_NEUTRAL_2020.npz",
            remedy="pass that file as --body, or --body standin",
        ) from error
    if tuple(parents[1:]) != PARENTS[1:]:
        raise InputError(
            f"{path}: {len(parents)} joints",
            expected="the 55-joint SMPL-X tree",
            remedy="use the 2020 neutral SMPL-X file",
        )
    for name, array in arrays.items():
        _check(path, name, array, n_vertices)
    return arrays


def _trimmed(name: str, array: np.ndarray) -> np.ndarray:
    if name == "shapedirs":
        return np.asarray(array[:, :, :COEFFICIENTS])
    return np.ravel(array) if name.startswith("hands_mean") else np.asarray(array)


def _check(path: Path, name: str, array: np.ndarray, n_vertices: int) -> None:
    shape = {
        "v_template": (n_vertices, 3),
        "shapedirs": (n_vertices, 3, COEFFICIENTS),
        "posedirs": (n_vertices, 3, 9 * (N_JOINTS - 1)),
        "J_regressor": (N_JOINTS, n_vertices),
        "weights": (n_vertices, N_JOINTS),
        "f": (len(array), 3),
        "hands_meanl": (45,),
        "hands_meanr": (45,),
    }[name]
    if array.shape != shape or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise InputError(
            f"{path}: {name} has shape {array.shape}, type {array.dtype}, or numbers that are not finite",
            expected=f"{shape} finite numbers",
            remedy="use the 2020 neutral SMPL-X file, which has 300 shape and 100 expression coefficients",
        )
