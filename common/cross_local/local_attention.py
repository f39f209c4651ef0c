"""Attention in windows: a frame sees those of its own window and of the windows beside it (Roy et al. 2021, as in
DiffuseStyleGesture).
"""

import torch
from torch import Tensor, nn

PADDING = -1.0
"""Keys and values beyond the ends of a sequence."""


def local_attention(
    query_BHTd: Tensor,
    key_BHTd: Tensor,
    value_BHTd: Tensor,
    window: int,
    *,
    mask_BT: Tensor | None = None,
    backward: int = 1,
    forward: int = 0,
    causal: bool = True,
    exact: bool = False,
    dropout: float = 0.0,
) -> Tensor:
    """(B, H, T, d): softmax(q k^T / sqrt(d)) v over the frame's window, the `backward` windows before it and the
    `forward` ones after it; T is a multiple of `window`.

    `causal` hides keys after the query, with `exact` also those more than `backward` windows of frames before it.
    `mask` (B, T) bool hides keys where it is false, and those beyond the ends. Without a mask a frame sees these too,
    as released: their keys and values are -1. A query from which all is hidden gets the mean of its keys' values.
    """
    query, key, value = (x.unflatten(-2, (-1, window)) for x in (query_BHTd, key_BHTd, value_BHTd))
    key, value = (_around(x, backward, forward, PADDING) for x in (key, value))
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    hidden = hidden_keys(query_BHTd.shape[-2], window, backward, forward, causal, exact, device=scores.device)
    if mask_BT is not None:
        seen = _around(mask_BT.unflatten(-1, (-1, window))[..., None], backward, forward, False)[..., 0]
        hidden = hidden | ~seen[:, None, :, None]
    scores = scores.masked_fill(hidden, -torch.finfo(scores.dtype).max)
    weights = nn.functional.dropout(scores.softmax(-1), dropout, training=dropout > 0)
    return (weights @ value).flatten(-3, -2)


def _around(x_NwC: Tensor, backward: int, forward: int, value: float) -> Tensor:
    """(..., N, w, C) windows -> (..., N, (backward + 1 + forward) w, C): each between its neighbours."""
    count = x_NwC.shape[-3]
    padded = nn.functional.pad(x_NwC, (0, 0, 0, 0, backward, forward), value=value)
    return torch.cat([padded[..., k : k + count, :, :] for k in range(backward + 1 + forward)], -2)


def hidden_keys(
    frames: int,
    window: int,
    backward: int = 1,
    forward: int = 0,
    causal: bool = True,
    exact: bool = False,
    *,
    device: torch.device | None = None,
) -> Tensor:
    """(N, w, keys) bool, by the place of query and key; a key beyond the ends stands at -1."""
    places = torch.arange(frames, device=device).reshape(-1, window, 1)
    query, key = places, _around(places, backward, forward, -1).transpose(-1, -2)
    hidden = key > query if causal else torch.zeros_like(key > query)
    return hidden | (query > key + backward * window) if causal and exact else hidden
