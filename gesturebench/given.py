"""Motion that is given to a method beside a sound file: which frames and joints of a motion file it is shown."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gesturebench.common.errors import InputError, unknown_name
from gesturebench.keyframes import Keyframes

if TYPE_CHECKING:
    from gesturebench.methods.base import Control

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class Given:
    """A motion file in BEAT2's layout, whose first frame is that of the speech. `frames` (`0,45,90-95`) and `joints`
    (`upper,hands`) as they are typed; all where there is nothing."""

    path: Path
    frames: str | None = None
    joints: str | None = None

    def control(self) -> "Control":
        import numpy as np

        from gesturebench.common.motion.export import load_motion
        from gesturebench.common.motion.skeleton import N_JOINTS
        from gesturebench.methods.base import Control

        motion = load_motion(self.path)
        mask = np.zeros((motion.n_frames, N_JOINTS), bool)
        mask[np.ix_(self._frames(motion.n_frames), self._joints())] = True
        return Control(motion, mask)

    def _frames(self, count: int) -> list[int]:
        if self.frames is None:
            return list(range(count))
        found: list[int] = []
        for piece in self.frames.split(","):
            match = _RANGE.fullmatch(piece.strip())
            if match is None:
                raise InputError(f"--given-frames {self.frames}: {piece!r}", expected="frames such as 0,45,90-95")
            first, last = int(match[1]), int(match[2] or match[1])
            if not first <= last < count:
                raise InputError(
                    f"--given-frames {self.frames}: {piece.strip()}",
                    expected=f"frames of {self.path}, 0 to {count - 1}",
                )
            found += range(first, last + 1)
        return found

    def _joints(self) -> list[int]:
        from gesturebench.common.motion.skeleton import SELECTIONS

        names = [name.strip() for name in (self.joints or "full").split(",")]
        for name in names:
            if name not in SELECTIONS:
                raise unknown_name("set of joints", name, SELECTIONS)
        return sorted({joint for name in names for joint in SELECTIONS[name]})


def given_of(
    path: Path | None, frames: str | None, joints: str | None, keyframes: Path | None = None
) -> Given | Keyframes | None:
    """What the options say; frames and joints are those of a motion file, keyframes bring their own."""
    if keyframes is not None:
        if path is not None:
            raise InputError("--control and --given", expected="one of them", remedy="leave the other out")
        if frames or joints:
            raise InputError(
                "--given-frames or --given-joints with --control", expected="them in the file of keyframes"
            )
        return Keyframes.load(keyframes)
    if path is None:
        if frames or joints:
            raise InputError("--given-frames or --given-joints without --given", expected="the motion file they are of")
        return None
    return Given(path, frames, joints)
