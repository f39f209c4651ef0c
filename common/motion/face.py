"""What is left of a body model when only jaw and expression move: how far two faces are apart, without the mesh.

With everything else at rest, skinning (Loper et al. 2015, eq. 2 to 9) comes down, for vertex v, to

    v = constant + L f + R y,    y = Y_0 + Y_beta beta + Y f,    f = (e, vec(R - I)),

e the 100 expression coefficients, R the jaw's rotation, L and Y bases that depend on the body alone: pose correctives
of the jaw, joints that expressions move and hands that rest half closed are all in them. Where the jaw carries nothing
y is zero, and where L is zero as well the vertex never moves. Of a prediction p and a target t of one shape,

    v_p - v_t = L (f_p - f_t) + R_p Y (f_p - f_t) + (R_p - R_t) y_t,

which is not only cheaper than two meshes but also loses no digits to a difference of near equals.

Legend: M vertices that can move, K of them (the first) carried by the jaw, T frames, F = 109 numbers f.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gesturebench.common.corpus.clip import BETA_DIM, EXPRESSION_DIM, Motion
from gesturebench.common.files import write_npz
from gesturebench.common.motion.body_file import read_body
from gesturebench.common.motion.kinematics import (
    JOINT_ARRAYS,
    JointModel,
    forward_kinematics,
    joint_chain,
    rotation_matrices,
)
from gesturebench.common.motion.skeleton import HANDS, JAW, N_JOINTS, pose_channels

FACE_ARRAYS = (*JOINT_ARRAYS, "posedirs", "weights")
CHUNK = 64
"""Frames at a time: the differences of their vertices stay in the processor's cache."""
_JAW = JAW[0]
_CORRECTIVES = slice(9 * (_JAW - 1), 9 * _JAW)


@dataclass(frozen=True, eq=False)
class FaceModel:
    """The bases above, float32 metres, each row x of all vertices, then y, then z.

    `basis` (F, 3M + 3K) is L beside Y, `arm_shape` (300, 3K) Y_beta, `arm_rest` (3K,) Y_0. `n_coordinates` counts the
    whole mesh (31425 for SMPL-X): vertices that never move differ by nothing, but count in a mean.
    """

    basis: np.ndarray
    arm_shape: np.ndarray
    arm_rest: np.ndarray
    n_coordinates: int

    @classmethod
    def from_body_model(cls, path: Path) -> "FaceModel":
        """Read an SMPL-X `.npz`, licensed or stand-in."""
        return cls.from_arrays(read_body(path, FACE_ARRAYS))

    @classmethod
    def from_arrays(cls, body: Mapping[str, np.ndarray]) -> "FaceModel":
        """From the arrays `FACE_ARRAYS` of a body model."""
        joints = JointModel.from_arrays(body)
        linear = _linear_basis(body, joints)
        carried = np.flatnonzero(body["weights"][:, _JAW])
        others = np.setdiff1d(np.flatnonzero(linear.any((1, 2))), carried)
        rest, shape, motion = _jaw_arm(body, joints, carried)
        moving = np.concatenate((carried, others))
        basis = np.concatenate((_as_rows(linear[moving]), _as_rows(motion)), axis=1)
        return cls(basis, _as_rows(shape), _as_rows(rest[:, :, None])[0], 3 * len(linear))

    @classmethod
    def load(cls, path: Path) -> "FaceModel":
        with np.load(path) as stored:
            return cls(stored["basis"], stored["arm_shape"], stored["arm_rest"], int(stored["n_coordinates"]))

    def save(self, path: Path) -> None:
        counted = np.array(self.n_coordinates)
        write_npz(path, basis=self.basis, arm_shape=self.arm_shape, arm_rest=self.arm_rest, n_coordinates=counted)

    def differences(self, prediction: Motion, target: Motion, chunk: int = CHUNK) -> Iterator[np.ndarray]:
        """(t, 3M) float32 metres, `chunk` frames at a time: predicted minus target vertices, those that can move.

        Both have the target's shape. Of the poses only the jaw counts.
        """
        rest = self.arm_rest + np.asarray(target.betas, np.float32) @ self.arm_shape
        for start in range(0, target.n_frames, chunk):
            cuts = (motion.cut(start, start + chunk) for motion in (prediction, target))
            yield self._difference(*map(_face_features, cuts), rest.reshape(3, -1))

    def _difference(self, predicted: "_Features", target: "_Features", rest_3K: np.ndarray) -> np.ndarray:
        (turn_p, f_p), (turn_t, f_t) = predicted, target
        split = self.basis.shape[1] - rest_3K.size
        step = (f_p - f_t).astype(np.float32) @ self.basis
        difference, arm_step = step[:, :split].reshape(len(step), 3, -1), step[:, split:].reshape(-1, *rest_3K.shape)
        arm = rest_3K + (f_t.astype(np.float32) @ self.basis[:, split:]).reshape(-1, *rest_3K.shape)
        difference[:, :, : rest_3K.shape[1]] += turn_p.astype(np.float32) @ arm_step
        difference[:, :, : rest_3K.shape[1]] += (turn_p - turn_t).astype(np.float32) @ arm
        return difference.reshape(len(step), -1)


_Features = tuple[np.ndarray, np.ndarray]
"""The jaw's rotation (T, 3, 3) and f (T, F), float64."""


def _face_features(motion: Motion) -> _Features:
    turn = rotation_matrices(motion.poses[:, pose_channels(JAW)].astype(np.float64))
    return turn, np.concatenate((motion.expressions, (turn - np.eye(3)).reshape(-1, 9)), axis=1)


def _linear_basis(body: Mapping[str, np.ndarray], joints: JointModel) -> np.ndarray:
    """L (V, 3, F): sum over joints j but the jaw of w_j (G_j (dx - dJ_j) + dp_j), and w_jaw dJ_jaw.

    dx, dJ, dp are the changes of rest vertex, rest joint and posed joint per unit of f; G_j are the rotations of the
    resting pose, which turns nothing but the hands (SMPL-X adds their mean).
    """
    resting = _resting_rotations(joints)
    weights = np.asarray(body["weights"], np.float64).copy()
    joint_steps = joints.directions[:, :, BETA_DIM:]  # (55, 3, 100)
    steps_KJ3 = np.moveaxis(joint_steps, -1, 0)
    posed = np.moveaxis(
        forward_kinematics(np.broadcast_to(resting, (EXPRESSION_DIM, *resting.shape)), steps_KJ3), 0, -1
    )
    world = joint_chain(resting[..., None], joints.rest[..., None])[0][..., 0]
    shift = posed - np.einsum("jab,jbk->jak", world, joint_steps)
    shift[_JAW], world[_JAW] = joint_steps[_JAW], 0  # what turns with the jaw is not linear in f: see _jaw_arm
    blend = (weights @ world.reshape(N_JOINTS, 9)).reshape(-1, 3, 3)
    linear = blend @ _rest_steps(body)
    linear[:, :, :EXPRESSION_DIM] += np.tensordot(weights, shift, axes=1)
    return linear


def _jaw_arm(body: Mapping[str, np.ndarray], joints: JointModel, carried: np.ndarray) -> tuple[np.ndarray, ...]:
    """w_jaw (x - J_jaw) of the vertices `carried` by the jaw: at rest (K, 3), per shape coefficient (K, 3, 300), per
    unit of f (K, 3, F).
    """
    weight = np.asarray(body["weights"][carried, _JAW], np.float64)[:, None, None]
    turned = (_resting_rotations(joints)[1:] - np.eye(3)).ravel()
    rest = body["v_template"][carried] + body["posedirs"][carried] @ turned - joints.rest[_JAW]
    shape = body["shapedirs"][carried, :, :BETA_DIM] - joints.directions[_JAW, :, :BETA_DIM]
    motion = _rest_steps(body)[carried]
    motion[:, :, :EXPRESSION_DIM] -= joints.directions[_JAW, :, BETA_DIM:]
    return weight[:, 0] * rest, weight * shape, weight * motion


def _rest_steps(body: Mapping[str, np.ndarray]) -> np.ndarray:
    """(V, 3, F): how a vertex of the unposed body moves with f."""
    expressions = body["shapedirs"][:, :, BETA_DIM:]
    return np.concatenate((expressions, body["posedirs"][:, :, _CORRECTIVES]), axis=2, dtype=np.float64)


def _resting_rotations(joints: JointModel) -> np.ndarray:
    """(55, 3, 3) local rotations where every stored pose is zero."""
    poses = np.zeros(3 * N_JOINTS)
    poses[pose_channels(HANDS)] = joints.hand_mean
    return rotation_matrices(poses.reshape(N_JOINTS, 3))


def _as_rows(columns: np.ndarray) -> np.ndarray:
    """(V, 3, F) -> (F, 3V) float32, all x first."""
    return np.ascontiguousarray(np.moveaxis(columns, 2, 0).swapaxes(1, 2), np.float32).reshape(columns.shape[2], -1)
