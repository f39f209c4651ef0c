"""Vertices of posed bodies in torch, differentiable: of a body of which one part turns, by skinning, and of faces.

Translation is left out, as it is the same on both sides of a comparison. Joints alone are far cheaper: `posed_joints`;
so are mean squares over faces: `face_squares`.

Legend: B windows, T frames, J 55 joints, K joints of a part, V vertices, M vertices of the face, C coefficients.
"""

import numpy as np
import torch
from torch import Tensor, nn

from gesturebench.common.codecs.face_squares import face_numbers
from gesturebench.common.corpus.clip import BETA_DIM
from gesturebench.common.motion.body import Body
from gesturebench.common.motion.face import FaceModel
from gesturebench.common.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from gesturebench.common.motion.skeleton import HANDS, N_JOINTS, PARENTS, PART_JOINTS


def joint_chain(local: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """Local rotations (..., J, 3, 3) and rest joints (..., J, 3) -> rotations in the world and positions.

    G_j = G_parent R_j,  p_j = p_parent + G_parent (rest_j - rest_parent).
    """
    worlds, positions = [local[..., 0, :, :]], [rest[..., 0, :].expand(*local.shape[:-3], 3)]
    for joint in range(1, N_JOINTS):
        parent = worlds[PARENTS[joint]]
        offset = rest[..., joint, :] - rest[..., PARENTS[joint], :]
        positions.append(positions[PARENTS[joint]] + (parent @ offset[..., None])[..., 0])
        worlds.append(parent @ local[..., joint, :, :])
    return torch.stack(worlds, -3), torch.stack(positions, -2)


class PosedVertices(nn.Module):
    """The vertices that the part can move, or `every` one in the order of the mesh. `share` is how large a part of the
    mesh they are.
    """

    def __init__(self, body: Body, part: str, *, every: bool = False):
        super().__init__()
        whole = body.n_vertices
        body = body if every else body.only(moved_vertices(body, part))
        self.share, self._turning = body.n_vertices / whole, list(PART_JOINTS[part])
        mean = np.zeros((N_JOINTS, 3))
        mean[list(HANDS)] = body.joints.hand_mean.reshape(-1, 3)
        arrays = {
            "mean": mean,
            "rest": body.joints.rest,
            "joint_directions": body.joints.directions,
            "template": body.template,
            "weights": body.weights,
            "directions": body.directions.reshape(-1, body.directions.shape[-1]).T,
            "correctives": body.correctives.reshape(-1, body.correctives.shape[-1]).T,
        }
        for name, array in arrays.items():
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(array)).float(), persistent=False)

    def forward(self, turned_BTK33: Tensor, betas_BC: Tensor, expressions_BTC: Tensor | None = None) -> Tensor:
        """-> (B, T, V, 3) metres (Loper et al. 2015, eq. 2 to 9)."""
        local = self._local(turned_BTK33)
        rest = _shaped(self.rest, self.joint_directions.flatten(0, 1).T, betas_BC, expressions_BTC)
        world, position = joint_chain(local, rest)
        shift = position - (world @ rest[..., None])[..., 0]
        turned = (local[:, :, 1:] - torch.eye(3, device=local.device)).flatten(2)
        x = _shaped(self.template, self.directions, betas_BC, expressions_BTC)
        x = x + (turned @ self.correctives).unflatten(-1, (-1, 3))
        blended = self.weights @ torch.cat((world, shift[..., None]), -1).flatten(-2)
        blended = blended.unflatten(-1, (3, 4))
        return (blended[..., :3] * x[..., None, :]).sum(-1) + blended[..., 3]

    def _local(self, turned_BTK33: Tensor) -> Tensor:
        """(B, T, J, 3, 3): the part as given, all else at rest. SMPL-X adds the mean pose of hands to their angles."""
        mean = self.mean[self._turning]
        if mean.any():
            turned_BTK33 = axis_angle_to_matrix(matrix_to_axis_angle(turned_BTK33) + mean)
        local = axis_angle_to_matrix(self.mean).expand(*turned_BTK33.shape[:2], -1, -1, -1).clone()
        local[:, :, self._turning] = turned_BTK33
        return local


def _shaped(mean_V3: Tensor, directions_CV: Tensor, betas_BC: Tensor, expressions_BTC: Tensor | None) -> Tensor:
    """(B, 1 or T, V, 3): rest points of bodies of that shape, with that expression."""
    x = mean_V3 + (betas_BC @ directions_CV[:BETA_DIM]).unflatten(-1, (-1, 3))[:, None]
    return x if expressions_BTC is None else x + (expressions_BTC @ directions_CV[BETA_DIM:]).unflatten(-1, (-1, 3))


def moved_vertices(body: Body, part: str) -> np.ndarray:
    """Numbers of the vertices that hang on a joint of the part or below one, that its pose correctives move, or, of the
    face, that expressions move, themselves or by way of a joint."""
    turning, below = list(PART_JOINTS[part]), set(PART_JOINTS[part])
    for joint in range(1, N_JOINTS):
        below |= {joint} if PARENTS[joint] in below else set()
    if part == "face":
        below |= set(np.flatnonzero((body.joints.directions[..., BETA_DIM:] != 0).any((1, 2))))
    columns = np.concatenate([9 * (joint - 1) + np.arange(9) for joint in turning if joint])
    moved = (body.weights[:, sorted(below)] != 0).any(1) | (body.correctives[:, :, columns] != 0).any((1, 2))
    if part == "face":
        moved |= (body.directions[:, :, BETA_DIM:] != 0).any((1, 2))
    return np.flatnonzero(moved)


class FaceDifferences(nn.Module):
    """Predicted minus true vertices of the face, without the mesh: see `common/motion/face.py` for the formula.

    `share` is how large a part of the mesh the vertices are that jaw and expressions can move.
    """

    def __init__(self, model: FaceModel):
        super().__init__()
        arrays = {"basis": model.basis, "arm_shape": model.arm_shape, "arm_rest": model.arm_rest}
        for name, array in arrays.items():
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(array)), persistent=False)
        self._split = model.basis.shape[1] - model.arm_rest.size
        self.share = self._split / model.n_coordinates

    def forward(
        self, turned_p: Tensor, expressions_p: Tensor, turned_t: Tensor, expressions_t: Tensor, betas_BC: Tensor
    ) -> Tensor:
        """Jaw rotations (B, T, 3, 3), expressions (B, T, 100) and shapes (B, 300) -> (B, T, 3, M) metres."""
        f_p, f_t = face_numbers(turned_p, expressions_p), face_numbers(turned_t, expressions_t)
        step = (f_p - f_t) @ self.basis
        arm_step = step[..., self._split :].unflatten(-1, (3, -1))
        arm = (self.arm_rest + betas_BC @ self.arm_shape)[:, None] + f_t @ self.basis[:, self._split :]
        carried = turned_p @ arm_step + (turned_p - turned_t) @ arm.unflatten(-1, (3, -1))
        linear = step[..., : self._split].unflatten(-1, (3, -1))
        return linear + nn.functional.pad(carried, (0, linear.shape[-1] - carried.shape[-1]))
