"""Motion that is given to the network: which of its numbers it sees, and which are hidden from it (EMAGE, Liu et al.
2024, sec. 4.2, body hints).

Legend: B batch, T frames, M motion channels (55 x 6D, translation 3, contact 4).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.codecs.prior_windows import motion_channels
from gesturebench.common.errors import InputError
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.parts import foot_contact
from gesturebench.common.motion.skeleton import FEET, N_JOINTS
from gesturebench.methods.base import Control
from gesturebench.methods.emage.config import FPS


@dataclass(frozen=True, eq=False)
class Hint:
    """Motion (B, T, M) that is given, and where it is `hidden` (B, T, M) bool. The network takes it as a wish: what it
    returns there is decoded from codes like everything else."""

    motion: Tensor
    hidden: Tensor

    @classmethod
    def nothing(cls, frames: int) -> "Hint":
        """Of one speech: rest pose at the origin, all of it hidden."""
        return cls.seed(motion_channels(*(torch.zeros(1, frames, channels) for channels in (165, 3, 4))))

    @classmethod
    def seed(cls, motion_BTM: Tensor) -> "Hint":
        """A motion whose first frames the first window starts from; nothing else of it is given."""
        return cls(motion_BTM, torch.ones_like(motion_BTM, dtype=torch.bool))

    def covering(self, frames: int) -> "Hint":
        """Of one speech: cut, or followed by frames where nothing is given."""
        beyond = Hint.nothing(max(0, frames - self.motion.shape[1]))
        motion, hidden = torch.cat((self.motion, beyond.motion), 1), torch.cat((self.hidden, beyond.hidden), 1)
        return Hint(motion, hidden).frames(0, frames)

    def frames(self, start: int, stop: int) -> "Hint":
        return Hint(self.motion[:, start:stop], self.hidden[:, start:stop])

    def beginning(self, start_BNM: Tensor) -> "Hint":
        """Other first frames where nothing is given."""
        motion, n = self.motion.clone(), min(start_BNM.shape[1], self.motion.shape[1])
        motion[:, :n] = torch.where(self.hidden[:, :n], start_BNM[:, :n], motion[:, :n])
        return Hint(motion, self.hidden)

    def starting_with(self, seed_BNM: Tensor) -> "Hint":
        """The seed where nothing is given in its frames; they are all visible then."""
        hidden = self.hidden.clone()
        hidden[:, : seed_BNM.shape[1]] = False
        return Hint(self.beginning(seed_BNM).motion, hidden)


def stacked(hints: Sequence[Hint]) -> Hint:
    """A batch of hints of equal length."""
    return Hint(torch.cat([hint.motion for hint in hints]), torch.cat([hint.hidden for hint in hints]))


def hint_of(control: Control, joints: JointModel) -> Hint:
    """What a control shows: of a joint its rotation, of the root also the translation, of a foot its contact."""
    motion, mask = control.motion, control.mask
    if motion.fps != FPS:
        raise InputError(f"given motion of {motion.fps:g} frames per second", expected=f"{FPS}", remedy="resample it")
    if mask.shape != (motion.n_frames, N_JOINTS):
        raise InputError(f"a mask of shape {mask.shape}", expected=f"({motion.n_frames}, {N_JOINTS}), as the motion")
    poses, trans, contact = (
        torch.from_numpy(np.array(x, np.float32))[None]
        for x in (motion.poses, motion.trans, foot_contact(motion, joints))
    )
    return Hint(motion_channels(poses, trans, contact), ~visible_channels(torch.from_numpy(mask))[None])


def visible_channels(mask_TJ: Tensor) -> Tensor:
    """(T, 55) bool -> (T, M) bool."""
    return torch.cat((mask_TJ.repeat_interleave(6, -1), mask_TJ[:, :1].expand(-1, 3), mask_TJ[:, list(FEET)]), -1)
