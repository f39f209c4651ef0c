"""How far two faces are apart, as a mean square over vertices, without any vertex.

By `common/motion/face.py` the difference of predicted and true vertices is linear, for each axis x, in a few numbers:

    v_p - v_t = L_x df + sum_c Y_c (R_xc df + dR_xc f_t) + sum_c dR_xc (Y_0 + Y_beta beta)_c,

f the 109 numbers of a face, R the predicted rotation of the jaw, df and dR predictions minus truth. With z those
numbers and G = C^T C the products of the columns (computed once), |v_p - v_t|^2 = |C z|^2: a face costs the same for
any mesh. Shapes differ from window to window, so the products with Y_0 + Y_beta beta stand beside. Changes from frame
to frame are the same form of the changes of z.

Legend: B windows, T frames, F 109 numbers of a face, M = F + 3 F.
"""

import numpy as np
import torch
from torch import Tensor, nn

from gesturebench.common.motion.face import FaceModel

AXES = 3


class FaceSquares(nn.Module):
    """Mean squares over all coordinates of the mesh of v_p - v_t, of its changes and of the changes of these."""

    def __init__(self, model: FaceModel):
        super().__init__()
        main, arm = _columns(model)
        scale = 1 / model.n_coordinates
        beside = scale * main[..., : arm.shape[-1]] @ arm.T
        products = scale * arm @ arm.T
        blocks = {
            "root": _root(scale * main @ main.swapaxes(1, 2)),
            "beside": beside.reshape(*beside.shape[:2], AXES, -1),
            "arm": products.reshape(AXES, -1, AXES, len(products) // AXES),
        }
        for name, block in blocks.items():
            self.register_buffer(name, torch.from_numpy(block).float(), persistent=False)

    def forward(
        self, turned_p: Tensor, expressions_p: Tensor, turned_t: Tensor, expressions_t: Tensor, betas_BC: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Jaw rotations (B, T, 3, 3), expressions (B, T, 100), shapes (B, 300) -> three scalars, square metres."""
        f_p, f_t = face_numbers(turned_p, expressions_p), face_numbers(turned_t, expressions_t)
        df, dR = f_p - f_t, turned_p - turned_t
        arms = turned_p[..., None] * df[..., None, None, :] + dR[..., None] * f_t[..., None, None, :]
        z_BTXM = torch.cat((df[..., None, :].expand(*df.shape[:-1], AXES, -1), arms.flatten(-2)), -1)
        shape_BC = torch.cat((torch.ones_like(betas_BC[:, :1]), betas_BC), 1)
        beside = torch.einsum("xmcs,bs->bxmc", self.beside, shape_BC)
        arm = torch.einsum("csde,bs,be->bcd", self.arm, shape_BC, shape_BC)
        linear = (
            torch.einsum("btxm,xmr->btxr", z_BTXM, self.root),
            torch.einsum("btxm,bxmc->btxc", z_BTXM, beside),
            torch.einsum("btxc,bcd->btxd", dR, arm),
            dR,
        )
        return tuple(_mean_square(*(x.diff(n, 1) for x in linear)) for n in range(3))


def _mean_square(main: Tensor, beside: Tensor, arm: Tensor, dR: Tensor) -> Tensor:
    """|C z|^2 + 2 z G_beside dR + dR G_arm dR, mean over windows and frames."""
    return (main.square().sum() + ((2 * beside + arm) * dR).sum()) / (len(main) * main.shape[1])


def _root(products_XMM: np.ndarray) -> np.ndarray:
    """(3, M, rank) with root root^T = products. What is lost is less than float32 rounds off the largest."""
    size, directions = np.linalg.eigh(products_XMM)
    kept = (size > 1e-14 * size.max()).any(0)
    return (directions * np.sqrt(size.clip(0))[:, None])[:, :, kept]


def face_numbers(turned: Tensor, expressions: Tensor) -> Tensor:
    """(B, T, 109): expressions, and the jaw's R - I."""
    return torch.cat((expressions, (turned - torch.eye(3, device=turned.device)).flatten(-2)), -1)


def _columns(model: FaceModel) -> tuple[np.ndarray, np.ndarray]:
    """Per axis L_x above Y_0 to Y_2, (3, M, vertices) where what the jaw does not carry has no Y; and arms by c and
    coefficient of shape (3 * 301, vertices that the jaw carries)."""
    F, width = len(model.basis), model.arm_rest.size
    linear = model.basis[:, : model.basis.shape[1] - width].reshape(F, AXES, -1).astype(np.float64)
    arms = model.basis[:, -width:].reshape(F, AXES, -1).astype(np.float64)
    padded = np.zeros((AXES, F, linear.shape[-1]))
    padded[..., : arms.shape[-1]] = arms.swapaxes(0, 1)
    below = padded.reshape(AXES * F, -1)
    main = np.stack([np.concatenate((linear[:, x], below)) for x in range(AXES)])
    shapes = np.concatenate((model.arm_rest[None], model.arm_shape)).astype(np.float64)
    return main, shapes.reshape(len(shapes), AXES, -1).swapaxes(0, 1).reshape(AXES * len(shapes), -1)
