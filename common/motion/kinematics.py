"""Joint positions from poses without a mesh: exact for SMPL-X, 100 times cheaper than skinning.

A joint regressor is linear, so J(betas, expression) = J0 + Jdirs [betas; expression] holds exactly for every SMPL-X
file; pose correctives move vertices, never joints. (Loper et al. 2015, eq. 10; Pavlakos et al. 2019.)
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gesturebench.common.corpus.clip import BETA_DIM, EXPRESSION_DIM, Motion
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_npz
from gesturebench.common.motion.skeleton import HANDS, N_JOINTS, PARENTS, pose_channels


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
        """Read an SMPL-X `.npz` (licensed, or the stand-in body): J_regressor, v_template, shapedirs and the hand
        means.
        """
        try:
            with np.load(path, allow_pickle=True) as body:
                regressor = np.asarray(body["J_regressor"], dtype=np.float64)
                rest = regressor @ body["v_template"]
                directions = np.einsum(
                    "jv,vck->jck",
                    regressor,
                    np.asarray(body["shapedirs"][:, :, : BETA_DIM + EXPRESSION_DIM], np.float64),
                )
                hand_mean = np.concatenate([np.ravel(body["hands_meanl"]), np.ravel(body["hands_meanr"])])
                parents = np.asarray(body["kintree_table"][0], dtype=np.int64)
        except FileNotFoundError as error:
            raise InputError(
                f"{path}: no body model there", remedy="pass --body SMPLX_NEUTRAL_2020.npz or --body standin"
            ) from error
        except (KeyError, ValueError, OSError) as error:
            raise InputError(f"{path}: not an SMPL-X model ({error})", expected="SMPLX_NEUTRAL_2020.npz") from error
        if rest.shape != (N_JOINTS, 3) or tuple(parents[1:]) != PARENTS[1:]:
            raise InputError(
                f"{path}: {len(rest)} joints",
                expected="the 55-joint SMPL-X tree",
                remedy="use the 2020 neutral SMPL-X file",
            )
        return cls(rest, directions, hand_mean)

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
        return rest + np.einsum("jck,tk->tjc", self.directions[..., BETA_DIM:], np.asarray(expressions, np.float64))

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
    """Pose a rigid skeleton: local rotations (T, 55, 3, 3) and rest joints (55, 3) or (T, 55, 3) -> positions (T, 55,
    3).

    G_j = G_parent R_j,  p_j = p_parent + G_parent (rest_j - rest_parent).
    """
    rest = np.broadcast_to(rest, (len(local), N_JOINTS, 3))
    world = np.empty_like(local)
    position = np.empty((len(local), N_JOINTS, 3), dtype=np.result_type(local, rest))
    world[:, 0], position[:, 0] = local[:, 0], rest[:, 0]
    for level in _levels():
        parents = np.asarray(PARENTS)[level]
        world[:, level] = world[:, parents] @ local[:, level]
        offset = rest[:, level] - rest[:, parents]
        position[:, level] = position[:, parents] + (world[:, parents] @ offset[..., None])[..., 0]
    return position


def _levels() -> list[np.ndarray]:
    """Joints by depth, so that a whole level is posed at once."""
    depth = [0] * N_JOINTS
    for joint in range(1, N_JOINTS):
        depth[joint] = depth[PARENTS[joint]] + 1
    return [np.flatnonzero(np.asarray(depth) == d) for d in range(1, max(depth) + 1)]
