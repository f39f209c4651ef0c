"""Motion files in BEAT2's npz layout: what we write, BEAT2 tools read; what BEAT2 holds, we check and read."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from gesturebench.common.corpus.clip import BETA_DIM, Motion
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_npz

_REMEDY = "write or download the file again (below a runs folder: delete its step's folder and run again)"
_KEYS = ("poses", "expressions", "trans", "betas", "mocap_frame_rate")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, RuntimeError)


def save_motion(path: Path, motion: Motion) -> None:
    """Write `motion` as `smplxflame_30/<id>.npz` would hold it: float32 arrays, one body shape, no pickles."""
    arrays = {key: np.asarray(getattr(motion, key), np.float32) for key in _KEYS[:4]}
    rate = np.int32(motion.fps) if float(motion.fps).is_integer() else np.float64(motion.fps)
    write_npz(path, **arrays, model=np.array("smplx2020"), gender=np.array("neutral"), mocap_frame_rate=np.array(rate))


def load_motion(path: Path) -> Motion:
    """Read a BEAT2 npz into float32 arrays.

    `betas` may be (300,), (1, 300) or repeated per frame (T, 300). A missing, truncated, wrongly shaped or non-finite
    file is an `InputError` naming it.
    """
    arrays = _arrays(path)
    for key in ("poses", "expressions", "trans"):
        if arrays[key].ndim != 2:
            raise InputError(
                f"{path}: {key} has shape {arrays[key].shape}", expected="one row per frame", remedy=_REMEDY
            )
    rate = arrays["mocap_frame_rate"]
    if rate.size != 1 or rate.dtype.kind not in "fiu":
        raise InputError(f"{path}: mocap_frame_rate is {rate.tolist()!r}", expected="one number", remedy=_REMEDY)
    poses, expressions, trans, betas = (_float32(path, key, arrays[key]) for key in _KEYS[:4])
    return Motion(poses, expressions, trans, _single_shape(path, betas), float(rate.item())).checked(path)


def motion_length(path: Path) -> int:
    """Frames that a motion file announces."""
    shape = announced_shape(path, "poses")
    if len(shape) != 2:
        raise InputError(f"{path}: poses has shape {shape}", expected="one row per frame", remedy=_REMEDY)
    return shape[0]


def announced_shape(path: Path, key: str) -> tuple[int, ...]:
    """The shape of one array of a motion file: its header is read, not its data."""
    if not path.is_file():
        raise _absent(path)
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as file:
            major, _ = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            return read(file)[0]
    except KeyError as error:
        raise InputError(f"{path}: no array {key}", expected=f"the keys {', '.join(_KEYS)}", remedy=_REMEDY) from error
    except _BROKEN as error:
        raise _truncated(path, error) from error


def _absent(path: Path) -> InputError:
    return InputError(f"{path}: no such motion file", expected="an npz in BEAT2's layout", remedy=_REMEDY)


def _truncated(path: Path, error: Exception) -> InputError:
    what = f"{path}: truncated or not an npz file ({error})"
    return InputError(what, expected="a whole BEAT2 npz", remedy=_REMEDY)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise _absent(path)
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise InputError(f"{path}: a single array", expected="an npz with named arrays", remedy=_REMEDY)
        with archive:
            missing = ", ".join(key for key in _KEYS if key not in archive)
            if missing:
                raise InputError(f"{path}: no array {missing}", expected=f"the keys {', '.join(_KEYS)}", remedy=_REMEDY)
            return {key: archive[key] for key in _KEYS}
    except _BROKEN as error:
        raise _truncated(path, error) from error


def _single_shape(path: Path, betas: np.ndarray) -> np.ndarray:
    """(300,) from any of BEAT2's spellings."""
    if betas.ndim not in (1, 2) or betas.shape[-1] != BETA_DIM or not len(betas):
        raise InputError(
            f"{path}: betas have shape {betas.shape}", expected=f"({BETA_DIM},) or (T, {BETA_DIM})", remedy=_REMEDY
        )
    rows = np.atleast_2d(betas)
    if np.abs(rows - rows[0]).max() > 1e-5:
        raise InputError(
            f"{path}: betas change from frame to frame", expected="one body shape per clip", remedy=_REMEDY
        )
    return rows[0]


def _float32(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path}: {key} holds {array.dtype}", expected="numbers", remedy=_REMEDY)
    return np.ascontiguousarray(array, dtype=np.float32)
