"""Windowed attention and rotary positions, against the definitions."""

import pytest
import torch

from gesturebench.common.cross_local.local_attention import local_attention
from gesturebench.common.cross_local.rotary import angles, rotated, rotated_heads

WINDOW, FRAMES = 4, 16


@pytest.fixture
def heads() -> torch.Tensor:
    return torch.randn(3, 2, 2, FRAMES, 6, generator=torch.Generator().manual_seed(0)).double()


def dense(query, key, value, allowed: torch.Tensor) -> torch.Tensor:
    scores = (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5).masked_fill(~allowed, -torch.inf)
    return scores.softmax(-1) @ value


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(("backward", "forward", "causal"), [(1, 0, True), (2, 0, True), (1, 1, False), (0, 0, True)])
def test_it_is_attention_with_a_mask(heads, backward, forward, causal, exact):
    query, key, value = heads
    i, j = torch.arange(FRAMES)[:, None], torch.arange(FRAMES)
    near = (j // WINDOW >= i // WINDOW - backward) & (j // WINDOW <= i // WINDOW + forward)
    allowed = near & (j <= i if causal else torch.tensor(True))
    if causal and exact:
        allowed &= i - j <= backward * WINDOW
    everything = torch.ones(2, FRAMES, dtype=torch.bool)
    around = {"backward": backward, "forward": forward, "causal": causal, "exact": exact}
    found = local_attention(query, key, value, WINDOW, mask_BT=everything, **around)
    torch.testing.assert_close(found, dense(query, key, value, allowed))


def test_hidden_frames_are_not_seen(heads):
    query, key, value = heads
    mask = torch.ones(2, FRAMES, dtype=torch.bool)
    mask[0, 5:7] = False
    changed = value.clone()
    changed[0, :, 5:7] = 100.0
    before, after = (local_attention(query, key, v, WINDOW, mask_BT=mask) for v in (value, changed))
    torch.testing.assert_close(before, after)


def test_without_a_mask_the_first_window_sees_padding(heads):
    query, key, value = heads
    everything = torch.ones(2, FRAMES, dtype=torch.bool)
    padded, unpadded = (local_attention(query, key, value, WINDOW, mask_BT=m) for m in (None, everything))
    assert (padded - unpadded)[:, :, :WINDOW].abs().min() > 0
    torch.testing.assert_close(padded[:, :, WINDOW:], unpadded[:, :, WINDOW:])


def test_rotary_products_depend_on_distances_alone():
    query, key = torch.randn(2, 1, 8, generator=torch.Generator().manual_seed(1)).double()
    turns = angles(12, 8).double()
    products = rotated(query.expand(12, 8), turns) @ rotated(key.expand(12, 8), turns).T
    for distance in range(-11, 12):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-6, rtol=0)


def test_heads_turn_alike():
    x = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(2))
    found = rotated_heads(x, 3)
    for head in x.split(4, -1), found.split(4, -1):
        assert len(head) == 3
    torch.testing.assert_close(found[..., 4:8], rotated(x[..., 4:8], angles(5, 4)))
    torch.testing.assert_close(found.norm(dim=-1), x.norm(dim=-1))
