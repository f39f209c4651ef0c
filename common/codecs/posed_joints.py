"""Positions of joints in torch, differentiable, of a body of which one part turns.

What the rest of the body does not change is left out: joints that no rotation of the part can move, and everything
above the part's own root. Joints below the part hang rigidly on it. So of every joint only the arm o from its nearest
turning ancestor a is needed, in a pose where the part does not turn (linear in the body's shape):

    G_k = G_a(k) R_k,    p_j = p_a(j) + G_a(j) o_j = sum of G_a(i) o_i over i = j and its turning ancestors that move.

Legend: B windows, T frames, K joints of the part, J joints that it moves, C coefficients of shape.
"""

import numpy as np
import torch
from torch import Tensor, nn

from gesturebench.common.corpus.clip import BETA_DIM
from gesturebench.common.motion.kinematics import JointModel, forward_kinematics, rotation_matrices
from gesturebench.common.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from gesturebench.common.motion.skeleton import HANDS, N_JOINTS, PARENTS, PART_JOINTS


class PosedJoints(nn.Module):
    """`moved` are the numbers of the joints that the part moves, `share` how large a part of all 55 they are."""

    def __init__(self, model: JointModel, part: str):
        super().__init__()
        self.joints = list(PART_JOINTS[part])
        above = {joint: _turning_ancestor(joint, self.joints) for joint in range(N_JOINTS)}
        self.moved = [joint for joint in range(N_JOINTS) if above[joint] is not None]
        self.share = len(self.moved) / N_JOINTS
        self._levels = _levels(self.joints, above)
        self._order = np.argsort([k for level, _ in self._levels for k in level]).tolist()
        self._arm_of = [self.joints.index(above[joint]) for joint in self.moved]
        chain = [[float(i == j or (i in self.joints and _is_above(i, j))) for i in self.moved] for j in self.moved]
        arms = _arms(model, self.joints, self.moved, [above[joint] for joint in self.moved])
        mean = np.zeros((N_JOINTS, 3))
        mean[list(HANDS)] = model.hand_mean.reshape(-1, 3)
        self.register_buffer("chain", torch.tensor(chain), persistent=False)
        self.register_buffer("arms", torch.from_numpy(arms).float(), persistent=False)
        self.register_buffer("mean", torch.from_numpy(mean[self.joints]).float(), persistent=False)
        self._has_mean = bool(mean[self.joints].any())

    def forward(self, turned_BTK33: Tensor, betas_BC: Tensor) -> Tensor:
        """Rotations of the part's joints and shapes (B, 300) -> (B, T, J, 3) metres from the part's root."""
        world_K33BT = self._world(self.with_mean(turned_BTK33).permute(2, 3, 4, 0, 1).contiguous())
        arms_JB3 = self.arms[:, 0, None] + torch.einsum("jca,bc->jba", self.arms[:, 1:], betas_BC)
        steps_J3BT = (world_K33BT[self._arm_of] * arms_JB3.transpose(1, 2)[:, None, ..., None]).sum(2)
        return torch.tensordot(self.chain, steps_J3BT, 1).permute(2, 3, 0, 1)

    def with_mean(self, turned: Tensor) -> Tensor:
        """SMPL-X adds the mean pose of hands to the angles of their joints."""
        return axis_angle_to_matrix(matrix_to_axis_angle(turned) + self.mean) if self._has_mean else turned

    def _world(self, local_K33BT: Tensor) -> Tensor:
        """Joints of equal depth at once; frames are the innermost axis, so that small matrices are sums over long
        rows."""
        first, _ = self._levels[0]
        worlds = [local_K33BT[first]]
        for joints, places in self._levels[1:]:
            parent, own = worlds[-1][places], local_K33BT[joints]
            worlds.append((parent[:, :, :, None] * own[:, None]).sum(2))
        return torch.cat(worlds)[self._order]


def _turning_ancestor(joint: int, turning: list[int]) -> int | None:
    """The nearest joint above that turns."""
    parent = PARENTS[joint]
    while parent >= 0 and parent not in turning:
        parent = PARENTS[parent]
    return parent if parent >= 0 else None


def _is_above(joint: int, below: int) -> bool:
    """Whether a joint is an ancestor of another."""
    while below >= 0 and below != joint:
        below = PARENTS[below]
    return below == joint


def _levels(joints: list[int], above: dict[int, int | None]) -> list[tuple[list[int], list[int]]]:
    """Per depth inside the part: places of its joints in the part, and of their ancestors in the level before."""
    level = [joint for joint in joints if above[joint] is None]
    levels = [(_places(level, joints), [])]
    while below := [joint for joint in joints if above[joint] in level]:
        levels.append((_places(below, joints), _places([above[joint] for joint in below], level)))
        level = below
    return levels


def _places(found: list[int], inside: list[int]) -> list[int]:
    return [inside.index(joint) for joint in found]


def _arms(model: JointModel, turning: list[int], moved: list[int], above: list[int]) -> np.ndarray:
    """(J, 301, 3): o_j of the mean shape, and per coefficient of shape."""
    poses = np.zeros((N_JOINTS, 3))
    poses[list(HANDS)] = model.hand_mean.reshape(-1, 3)
    poses[turning] = 0
    rest_CJ3 = np.concatenate((model.rest[None], np.moveaxis(model.directions[..., :BETA_DIM], -1, 0)))
    local = np.broadcast_to(rotation_matrices(poses), (len(rest_CJ3), N_JOINTS, 3, 3))
    posed_CJ3 = forward_kinematics(local, rest_CJ3)
    return np.moveaxis(posed_CJ3[:, moved] - posed_CJ3[:, above], 1, 0).copy()
