"""Efficient attention against attention written head by head, token by token."""

import pytest
import torch

from gesturebench.common.nn.efficient_attention import (
    MASKED,
    NARROW,
    EfficientCrossAttention,
    EfficientSelfAttention,
    attend,
    context,
)

B, T, N, D, E = 2, 7, 11, 12, 10


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


@pytest.fixture
def draw():
    g = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(*shape, generator=g)


def randomised(module: torch.nn.Module, draw) -> torch.nn.Module:
    for parameter in module.parameters():
        parameter.copy_(0.5 * draw(*parameter.shape))
    return module.eval()


def naive(query, key, value, heads: int) -> torch.Tensor:
    """y_t = sum over n of <softmax(q_t), k'_n> v_n in every head, k' normalised over the tokens of each channel."""
    size, result = query.shape[-1] // heads, torch.zeros_like(query)
    for b in range(len(query)):
        for h in range(heads):
            own = slice(h * size, (h + 1) * size)
            weights = key[b, :, own].exp() / key[b, :, own].exp().sum(0)
            for t in range(query.shape[1]):
                q = query[b, t, own].exp() / query[b, t, own].exp().sum()
                result[b, t, own] = sum((q @ weights[n]) * value[b, n, own] for n in range(key.shape[1]))
    return result


@pytest.mark.parametrize("heads", [1, 3, 12])
def test_equals_attention_head_by_head(draw, heads):
    query, key, value = draw(B, T, D), draw(B, N, D), draw(B, N, D)
    ours = attend(query, context(key, value, heads), heads)
    torch.testing.assert_close(ours, naive(query, key, value, heads), atol=1e-5, rtol=1e-5)


def test_wide_attention_goes_head_by_head(draw):
    width, heads = 2 * NARROW, 4
    query, key, value = draw(1, 3, width), draw(1, 4, width), draw(1, 4, width)
    looked_up = context(key, value, heads)
    assert looked_up.shape == (1, heads, width // heads, width // heads)
    assert context(key[..., :NARROW], value[..., :NARROW], heads).shape == (1, NARROW, NARROW)
    torch.testing.assert_close(attend(query, looked_up, heads), naive(query, key, value, heads), atol=1e-5, rtol=1e-5)


def test_is_a_weighted_mean_of_the_values(draw):
    """Weights are not negative and sum to one, so equal values come back and results stay between the extremes."""
    query, key = draw(B, T, D), draw(B, N, D)
    constant = draw(B, 1, D).expand(B, N, D)
    torch.testing.assert_close(attend(query, context(key, constant, 3), 3), constant[:, :1].expand(B, T, D))
    value = draw(B, N, D)
    y = attend(query, context(key, value, 3), 3)
    assert (y <= value.amax(1, keepdim=True) + 1e-6).all()
    assert (y >= value.amin(1, keepdim=True) - 1e-6).all()


def test_order_of_the_looked_up_tokens_does_not_matter(draw):
    query, key, value = draw(B, T, D), draw(B, N, D), draw(B, N, D)
    turned = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    there, back = (attend(query, context(k, v, 3), 3) for k, v in ((key, value), (key[:, turned], value[:, turned])))
    torch.testing.assert_close(there, back)


def test_masked_tokens_are_as_if_absent(draw):
    """Outputs of the others equal those of the shorter sequence, whatever the masked tokens hold."""
    block = randomised(EfficientSelfAttention(D, 3, E), draw)
    x, style = draw(B, T, D), block.proj_out.scale_shift(draw(B, E))
    mask = torch.ones(B, T, 1)
    mask[:, -2:] = 0
    y = block(x, style, mask)
    torch.testing.assert_close(y[:, :-2], block(x[:, :-2], style, torch.ones(B, T - 2, 1)), atol=1e-5, rtol=1e-5)


def test_dropped_equals_the_masked_attention(draw):
    """For a row whose condition is dropped the attention result is the value bias at every token."""
    block = randomised(EfficientCrossAttention(D, D, 3, E), draw)
    x, style = draw(B, T, D), block.proj_out.scale_shift(draw(B, E))
    keep = torch.tensor([1.0, 0.0])
    y = block(x, style, block.context(draw(B, N, D), keep), None)
    torch.testing.assert_close(
        y[1:], block.styled(block.dropped(), style, None)[1:].expand(1, T, D), atol=1e-5, rtol=1e-5
    )
    assert (y[0] - y[0, :1]).abs().max() > 0.01


def test_answer_of_one_equals_the_attention_to_equal_tokens(draw):
    block = randomised(EfficientCrossAttention(D, D, 3, E), draw)
    x, style, condition = draw(B, T, D), block.proj_out.scale_shift(draw(B, E)), draw(B, 1, D)
    for keep in (None, torch.tensor([0.0, 1.0])):
        looked_up = block(x, style, block.context(condition.expand(B, N, D), keep), None)
        answered = block.styled(block.answer_of_one(condition, keep), style, None)
        torch.testing.assert_close(looked_up, answered.expand(B, T, D), atol=1e-5, rtol=1e-5)


def test_query_mask_pushes_a_token_away_before_the_normalisation(draw):
    block = randomised(EfficientCrossAttention(D, D, 3, E), draw)
    y, style = draw(B, T, D), block.proj_out.scale_shift(draw(B, E))
    mask = torch.ones(T)
    mask[2] = 0
    styled, pushed = block.styled(y, style, mask), y.clone()
    pushed[:, 2] += MASKED
    torch.testing.assert_close(styled, block.proj_out.apply_scale(pushed, style))
    others = [t for t in range(T) if t != 2]
    torch.testing.assert_close(styled[:, others], block.styled(y, style, None)[:, others])


def test_new_blocks_change_nothing():
    """The last linear of a stylization starts at zero: a fresh self-attention is the identity."""
    block, x = EfficientSelfAttention(D, 3, E), torch.randn(B, T, D)
    assert torch.equal(block(x, block.proj_out.scale_shift(torch.randn(B, E)), torch.ones(B, T, 1)), x)
