"""Bodies with a skin: the vertices of an SMPL-X file in any pose, by our own linear blend skinning.

Legend: T frames, V vertices, K coefficients, J 55 joints. Angles radians, lengths metres. Joints alone are a hundred
times cheaper: see `kinematics`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gesturebench.common.corpus.clip import BETA_DIM, Motion
from gesturebench.common.motion.body_file import COEFFICIENTS, read_body
from gesturebench.common.motion.kinematics import JOINT_ARRAYS, JointModel, joint_chain, rotation_matrices
from gesturebench.common.motion.skeleton import HANDS, N_JOINTS, pose_channels

CHUNK = 64
"""Frames skinned at once: their vertices and transforms stay in the processor's cache."""
SKIN_ARRAYS = ("v_template", "shapedirs", "posedirs", "weights")


@dataclass(frozen=True, eq=False)
class Body:
    """A skinned body, or a part of its surface.

    `template` (V, 3) in the rest pose; `directions` (V, 3, 400) per shape and expression coefficient; `correctives`
    (V, 3, 486) per entry of R_j - I of joints 1 to 54; `weights` (V, 55) of the joints that carry a vertex; `faces`
    (F, 3) vertex numbers; all float32.
    """

    joints: JointModel
    template: np.ndarray
    directions: np.ndarray
    correctives: np.ndarray
    weights: np.ndarray
    faces: np.ndarray

    @classmethod
    def read(cls, path: Path) -> "Body":
        """Read an SMPL-X `.npz`, licensed or stand-in."""
        body = read_body(path, (*JOINT_ARRAYS, *SKIN_ARRAYS, "f"))
        skin = (body[name].astype(np.float32) for name in SKIN_ARRAYS)
        return cls(JointModel.from_arrays(body), *skin, body["f"].astype(np.int64))

    @property
    def n_vertices(self) -> int:
        return len(self.template)

    def only(self, vertices: np.ndarray) -> "Body":
        """The body cut down to the numbered vertices, in that order; faces that lose a corner go."""
        place = np.full(self.n_vertices, -1)
        place[vertices] = np.arange(len(vertices))
        faces = place[self.faces]
        return replace(
            self,
            template=self.template[vertices],
            directions=self.directions[vertices],
            correctives=self.correctives[vertices],
            weights=self.weights[vertices],
            faces=faces[(faces >= 0).all(1)],
        )

    def only_faces(self, faces: np.ndarray) -> "Body":
        """The body cut down to the numbered faces and their corners."""
        corners = np.unique(self.faces[faces])
        return replace(self.only(corners), faces=np.searchsorted(corners, self.faces[faces]))

    def vertices(self, motion: Motion, *, trans: bool = True, chunk: int = CHUNK) -> Iterator[np.ndarray]:
        """(t, V, 3) float32, `chunk` frames at a time, of the body with the motion's shape."""
        for start in range(0, motion.n_frames, chunk):
            yield self._skinned(motion.cut(start, start + chunk), trans)

    def _skinned(self, motion: Motion, trans: bool) -> np.ndarray:
        poses = np.array(motion.poses, dtype=np.float64)
        poses[:, pose_channels(HANDS)] += self.joints.hand_mean
        local = rotation_matrices(poses.reshape(-1, N_JOINTS, 3))
        rest = self.joints.rest_joints(motion.betas, motion.expressions)
        shaped = self.template.reshape(-1, 1) + _shape_offsets(self.directions, motion)
        vertices = skinned(shaped, local, rest, self.correctives, self.weights)
        return vertices + motion.trans[:, None].astype(np.float32) if trans else vertices


def _shape_offsets(directions: np.ndarray, motion: Motion) -> np.ndarray:
    """(3V, T): the shape is the same in every frame, the expression is not."""
    rows = directions.reshape(-1, COEFFICIENTS)
    shape = rows[:, :BETA_DIM] @ np.asarray(motion.betas, rows.dtype)
    return shape[:, None] + rows[:, BETA_DIM:] @ np.asarray(motion.expressions, rows.dtype).T


def skinned(
    shaped: np.ndarray, local: np.ndarray, rest: np.ndarray, correctives: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Linear blend skinning: `shaped` rest vertices (3V, T), local rotations (T, J, 3, 3), rest joints (T, J, 3) ->
    (T, V, 3), all in the precision of `shaped`.

    x = shaped + sum_k correctives_k (R - I)_k;  v = sum_j weights_j (G_j (x - rest_j) + p_j), with G_j and p_j from
    `joint_chain`. (Loper et al. 2015, eq. 2 to 9.)
    """
    frames, n_vertices = len(local), len(weights)
    turned = (local[:, 1:] - np.eye(3)).reshape(frames, -1).astype(shaped.dtype)
    x = shaped + correctives.reshape(3 * n_vertices, -1) @ turned.T
    rest_J3T = np.ascontiguousarray(np.moveaxis(rest, 0, -1))
    world, position = joint_chain(np.ascontiguousarray(np.moveaxis(local, 0, -1)), rest_J3T)
    shift = position - np.einsum("jabt,jbt->jat", world, rest_J3T)
    transforms = np.concatenate((world, shift[:, :, None]), axis=2).astype(shaped.dtype)  # (J, 3, 4, T)
    blended = (weights @ transforms.reshape(N_JOINTS, -1)).reshape(n_vertices, 3, 4, frames)
    vertices = blended[:, :, 3]
    for axis in range(3):
        vertices = vertices + blended[:, :, axis] * x.reshape(n_vertices, 3, frames)[:, None, axis]
    return np.ascontiguousarray(np.moveaxis(vertices, -1, 0))
