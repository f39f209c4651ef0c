"""Poses that a person gives a method beside a sound file: a small npz of frames, joints and rotations, checked.

Legend: K frames, J joints, N single rotations.
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesturebench.common.errors import InputError, shown, unknown_name

if TYPE_CHECKING:
    import numpy as np

    from gesturebench.methods.base import Control

FPS = 30
KEYS = ("frames", "joints", "values", "fps")
OPTIONAL = ("trans",)
_REMEDY = "see docs/control.md for the layout"
_MOST_TURN = 6.2832
"""Radians of an axis-angle: a whole turn."""


@dataclass(frozen=True, eq=False)
class Keyframes:
    """Rotations (N, 3), axis-angle in radians, of a joint in a frame each: `frames` (N,) and `joints` (N,) int.
    `trans` (N, 3), metres, or none, says where the pelvis is in these frames. `source` names the file in errors.
    """

    frames: "np.ndarray"
    joints: "np.ndarray"
    values: "np.ndarray"
    trans: "np.ndarray | None"
    source: str

    @classmethod
    def load(cls, path: Path) -> "Keyframes":
        """A file with `frames` (K,), `joints` (J,) names or numbers, `values` (K, J, 3) and `fps`; or a list of single
        rotations: `frames`, `joints` (N,) and `values` (N, 3). `trans`, one row for each of `frames`, belongs to the
        pelvis. Everything but the length of the speech is checked here."""
        import numpy as np

        arrays = _arrays(path)
        source = str(path)
        _check_rate(arrays["fps"], source)
        frames, joints = _whole(arrays["frames"], "frames", source), _joint_numbers(arrays["joints"], source)
        values = _rotations(arrays["values"], frames, joints, source)
        trans = _places(arrays.get("trans"), frames, joints, source)
        if values.ndim == 3:
            if trans is not None:
                trans = np.repeat(trans, len(joints), axis=0)
            frames, joints = np.repeat(frames, len(joints)), np.tile(joints, len(frames))
        found = cls(frames, joints, values.reshape(-1, 3), trans, source)
        found._refuse_contradictions()
        return found

    def control(self, n_frames: int) -> "Control":
        """For a speech of `n_frames`; a frame beyond it is refused."""
        import numpy as np

        from gesturebench.common.corpus.clip import Motion
        from gesturebench.common.motion.skeleton import JOINT, N_JOINTS
        from gesturebench.methods.base import Control

        outside = self.frames[(self.frames < 0) | (self.frames >= n_frames)]
        if len(outside):
            raise InputError(
                f"{self.source}: frame {outside[0]}",
                expected=f"0 to {n_frames - 1}, the frames of the speech at {FPS} fps",
                remedy="move it into the speech or leave it out",
            )
        poses, mask = np.zeros((n_frames, N_JOINTS, 3), np.float32), np.zeros((n_frames, N_JOINTS), bool)
        poses[self.frames, self.joints] = self.values
        mask[self.frames, self.joints] = True
        trans = np.zeros((n_frames, 3), np.float32)
        if self.trans is not None:
            pelvis = self.joints == JOINT["pelvis"]
            trans[self.frames[pelvis]] = self.trans[pelvis]
        zeros = (np.zeros((n_frames, 100), np.float32), trans, np.zeros(300, np.float32))
        return Control(Motion(poses.reshape(n_frames, -1), *zeros, float(FPS)), mask)

    def _refuse_contradictions(self) -> None:
        """The same joint in the same frame may stand twice only if both say the same."""
        import numpy as np

        from gesturebench.common.motion.skeleton import JOINT_NAMES

        said: dict[tuple[int, int], list[float]] = {}
        rows = self.values if self.trans is None else np.hstack((self.values, self.trans))
        for frame, joint, row in zip(self.frames.tolist(), self.joints.tolist(), rows.round(6).tolist(), strict=True):
            before = said.setdefault((frame, joint), row)
            if before != row:
                raise InputError(
                    f"{self.source}: frame {frame}, {JOINT_NAMES[joint]} is given twice, as {before} and {row}",
                    expected="one value for each frame and joint",
                    remedy="remove one of them",
                )


def _arrays(path: Path) -> dict[str, "np.ndarray"]:
    """The arrays of the file, if they are those that are known."""
    import numpy as np

    if not path.is_file():
        raise InputError(f"{path}: no such file", expected="an npz of keyframes", remedy=_REMEDY)
    refused = InputError(f"{path}: not an npz of plain arrays", expected=f"arrays {', '.join(KEYS)}", remedy=_REMEDY)
    if not zipfile.is_zipfile(path):
        raise refused
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError) as error:
        raise refused from error
    missing = [name for name in KEYS if name not in arrays]
    if missing:
        raise InputError(f"{path}: no array {missing[0]}", expected=", ".join(KEYS), remedy=_REMEDY)
    for name in sorted(arrays.keys() - {*KEYS, *OPTIONAL}):
        raise unknown_name(f"array of {path}", name, (*KEYS, *OPTIONAL))
    return arrays


def _check_rate(fps: "np.ndarray", source: str) -> None:
    if fps.size != 1 or fps.dtype.kind not in "iuf" or float(fps.reshape(())) != FPS:
        raise InputError(f"{source}: fps is {shown(fps.tolist())}", expected=str(FPS), remedy="count frames at 30 fps")


def _whole(numbers: "np.ndarray", name: str, source: str) -> "np.ndarray":
    """(n,) whole numbers."""
    import numpy as np

    _check_shape(numbers, name, numbers.ndim == 1 and len(numbers) > 0, "one number or more in a row", source)
    if numbers.dtype.kind not in "iuf" or not (numbers == np.trunc(numbers)).all():
        raise InputError(f"{source}: {name} are {shown(numbers.tolist())}", expected="whole numbers", remedy=_REMEDY)
    return numbers.astype(np.int64)


def _joint_numbers(joints: "np.ndarray", source: str) -> "np.ndarray":
    """Of names or numbers; those of another skeleton are refused."""
    import numpy as np

    from gesturebench.common.motion.skeleton import JOINT, N_JOINTS

    _check_shape(joints, "joints", joints.ndim == 1 and len(joints) > 0, "one joint or more in a row", source)
    if joints.dtype.kind in "US":
        names = [name.decode() if isinstance(name, bytes) else name for name in joints.tolist()]
        for name in names:
            if name not in JOINT:
                raise unknown_name(f"joint of {source}", name, JOINT)
        return np.array([JOINT[name] for name in names])
    numbers = _whole(joints, "joints", source)
    strangers = numbers[(numbers < 0) | (numbers >= N_JOINTS)]
    if len(strangers):
        raise InputError(
            f"{source}: joint {strangers[0]}",
            expected=f"0 to {N_JOINTS - 1}, the joints of SMPL-X",
            remedy="convert poses of another skeleton, or name the joints",
        )
    return numbers


def _rotations(values: "np.ndarray", frames: "np.ndarray", joints: "np.ndarray", source: str) -> "np.ndarray":
    import numpy as np

    table, rows = (len(frames), len(joints), 3), (len(frames), 3)
    fits = values.shape == table or (values.shape == rows and len(frames) == len(joints))
    expected = f"{table}, axis-angle for each frame and joint" + (f", or {rows}" if len(frames) == len(joints) else "")
    _check_shape(values, "values", fits, expected, source)
    _check_finite(values, "values", source)
    turns = np.linalg.norm(values.astype(np.float64), axis=-1)
    if turns.max() > _MOST_TURN:
        raise InputError(
            f"{source}: a rotation by {turns.max():.4g}",
            expected="axis-angle in radians, at most 2 pi",
            remedy="convert degrees or quaternions",
        )
    return values.astype(np.float32)


def _places(trans: "np.ndarray | None", frames: "np.ndarray", joints: "np.ndarray", source: str) -> "np.ndarray | None":
    """The pelvis is given with its place or not at all."""
    import numpy as np

    if trans is None:
        if (joints == 0).any():
            raise InputError(
                f"{source}: the pelvis without its place",
                expected=f"trans of shape ({len(frames)}, 3), metres",
                remedy="add trans, or leave the pelvis out",
            )
        return None
    if not (joints == 0).any():
        raise InputError(f"{source}: trans without the pelvis", expected="pelvis among the joints", remedy=_REMEDY)
    _check_shape(trans, "trans", trans.shape == (len(frames), 3), str((len(frames), 3)), source)
    _check_finite(trans, "trans", source)
    return trans.astype(np.float32)


def _check_shape(array: "np.ndarray", name: str, fits: bool, expected: str, source: str) -> None:
    if not fits:
        raise InputError(f"{source}: {name} has shape {array.shape}", expected=expected, remedy=_REMEDY)


def _check_finite(array: "np.ndarray", name: str, source: str) -> None:
    import numpy as np

    if array.dtype.kind not in "iuf":
        raise InputError(f"{source}: {name} of type {array.dtype}", expected="numbers", remedy=_REMEDY)
    bad: Any = np.argwhere(~np.isfinite(array))
    if len(bad):
        first = tuple(map(int, bad[0]))
        raise InputError(
            f"{source}: {name}[{', '.join(map(str, first))}] is {array[first]} ({len(bad)} bad values)",
            expected="finite numbers",
            remedy="leave out what is not given",
        )
