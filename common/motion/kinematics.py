"""Joint positions from poses without a mesh: exact for SMPL-X, 100 times cheaper than skinning.

A joint regressor is linear, so J(betas, expression) = J0 + Jdirs [betas; expression] holds exactly for every SMPL-X
file; pose correctives move vertices, never joints. (Loper et al. 2015, eq. 10; Pavlakos et al. 2019.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gesturebench.common.corpus.clip import BETA_DIM, Motion
from gesturebench.common.files import write_npz
from gesturebench.common.motion.body_file import read_body
from gesturebench.common.motion.skeleton import HANDS, N_JOINTS, PARENTS, pose_channels

JOINT_ARRAYS = ("v_template", "shapedirs", "J_regressor", "hands_meanl", "hands_meanr")


@dataclass(frozen=True, eq=False)
class JointModel:
    """What is left of a body model when only joints are wanted.

    `rest` (55, 3) metres, `directions` (55, 3, 400) per shape and expression coefficient, `hand_mean` (90,) radians
    that SMPL-X adds to the stored hand poses (left, then right).
    """

    rest: np.ndarray
    directions: np.ndarray
    hand_mean: np.ndarray

    @classmethod
    def from_body_model(cls, path: Path) -> "JointModel":
        """Read an SMPL-X `.npz` (licensed, or the stand-in body)."""
        return cls.from_arrays(read_body(path, JOINT_ARRAYS))

    @classmethod
    def from_arrays(cls, body: Mapping[str, np.ndarray]) -> "JointModel":
        """From the arrays `JOINT_ARRAYS` of a body model."""
        regressor = body["J_regressor"].astype(np.float64)
        directions = np.tensordot(regressor, body["shapedirs"].astype(np.float64), axes=1)
        hand_mean = np.concatenate([body["hands_meanl"], body["hands_meanr"]]).astype(np.float64)
        return cls(regressor @ body["v_template"], directions, hand_mean)

    @classmethod
    def load(cls, path: Path) -> "JointModel":
        with np.load(path) as arrays:
            return cls(arrays["rest"], arrays["directions"], arrays["hand_mean"])

    def save(self, path: Path) -> None:
        write_npz(path, rest=self.rest, directions=self.directions, hand_mean=self.hand_mean)

    def rest_joints(self, betas: np.ndarray, expressions: np.ndarray | None = None) -> np.ndarray:
        """(300,) and optional (T, 100) -> (55, 3) or (T, 55, 3) joint positions of the unposed body."""
        rest = self.rest + self.directions[..., :BETA_DIM] @ np.asarray(betas, np.float64)
        if expressions is None:
            return rest
        directions = self.directions[..., BETA_DIM:].reshape(-1, self.directions.shape[-1] - BETA_DIM)
        return rest + (np.asarray(expressions, np.float64) @ directions.T).reshape(-1, *rest.shape)

    def positions(self, motion: Motion, *, trans: bool = True, expressions: bool = True) -> np.ndarray:
        """(T, 55, 3) metres. BC, L1div and MPJPE leave translation and expressions out; foot contact keeps both."""
        poses = np.array(motion.poses, dtype=np.float64)
        poses[:, pose_channels(HANDS)] += self.hand_mean
        rest = self.rest_joints(motion.betas, motion.expressions if expressions else None)
        joints = forward_kinematics(rotation_matrices(poses.reshape(-1, N_JOINTS, 3)), rest)
        return joints + motion.trans[:, None] if trans else joints


def rotation_matrices(axis_angle: np.ndarray) -> np.ndarray:
    """(..., 3) -> (..., 3, 3) in the precision of the input."""
    import torch

    from gesturebench.common.motion.rotations import axis_angle_to_matrix

    return axis_angle_to_matrix(torch.from_numpy(np.ascontiguousarray(axis_angle))).numpy()


def forward_kinematics(local: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Pose a rigid skeleton: local rotations (T, 55, 3, 3) and rest joints ([T,] 55, 3) -> positions (T, 55, 3)."""
    rest_J3T = np.ascontiguousarray(np.moveaxis(np.broadcast_to(rest, (len(local), N_JOINTS, 3)), 0, -1))
    _, position = joint_chain(np.ascontiguousarray(np.moveaxis(local, 0, -1)), rest_J3T)
    return np.ascontiguousarray(np.moveaxis(position, -1, 0))


def joint_chain(local_J33T: np.ndarray, rest_J3T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Local rotations and rest joints -> rotations in the world (55, 3, 3, T) and positions (55, 3, T).

    G_j = G_parent R_j,  p_j = p_parent + G_parent (rest_j - rest_parent). Frames are the innermost axis: small matrices
    are multiplied as sums over long rows, four times faster than a stack of 3 x 3 products.
    """
    world = np.empty_like(local_J33T)
    position = np.empty_like(rest_J3T, dtype=np.result_type(local_J33T, rest_J3T))
    world[0], position[0] = local_J33T[0], rest_J3T[0]
    for joint in range(1, N_JOINTS):
        parent = PARENTS[joint]
        world[joint] = np.einsum("abt,bct->act", world[parent], local_J33T[joint])
        offset = rest_J3T[joint] - rest_J3T[parent]
        position[joint] = position[parent] + np.einsum("abt,bt->at", world[parent], offset)
    return world, position
