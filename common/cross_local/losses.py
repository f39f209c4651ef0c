"""What the denoiser is trained on."""

import torch
from torch import Tensor


def masked_smooth_l1(
    predicted_BTF: Tensor, target_BTF: Tensor, mask_BT: Tensor, weight_BTF: Tensor | None = None
) -> Tensor:
    """(B,): the sum over entries of frames with mask 1 of smooth L1 (d^2 / 2 below 1, |d| - 1/2 above), over the
    number of these entries. `weight` multiplies single entries and leaves the number as it is."""
    gap = torch.nn.functional.smooth_l1_loss(predicted_BTF, target_BTF, reduction="none")
    if weight_BTF is not None:
        gap = gap * weight_BTF
    mask = mask_BT.to(gap)[..., None]
    return (gap * mask).sum((1, 2)) / (mask.sum((1, 2)) * gap.shape[-1])
