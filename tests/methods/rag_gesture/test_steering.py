"""What is done to a sample before each step, mode by mode: on a small schedule, with numbers that can be followed."""

import pytest
import torch
from torch import Tensor

from gesturebench.common.diffusion.schedule import Schedule, add_noise
from gesturebench.methods.rag_gesture.config import GuidanceConfig
from gesturebench.methods.rag_gesture.layout import TokenLayout
from gesturebench.methods.rag_gesture.steering import Insertion, Outpainting, carried, steered

SCHEDULE = Schedule.respaced([3, 3, 2, 1, 1])
NOISIEST = len(SCHEDULE) - 1
LAYOUT = TokenLayout(6)
WIDTH = 4
SHAPE = (2, LAYOUT.tokens, WIDTH)


def drawn(*lead: int, seed: int = 0) -> Tensor:
    return torch.randn(*lead, *SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def insertion() -> Insertion:
    """Slots 0 to 3 of the first window, of which slot 0 is carried too, and nothing in the second."""
    target = LAYOUT.tokens_of(0, 3)
    return Insertion.placed([[(target, drawn(NOISIEST + 2)[:, 0, target])], []], LAYOUT.tokens)


@pytest.fixture
def carry() -> Outpainting:
    return Outpainting(*carried(drawn(seed=1), LAYOUT, 1), drawn(NOISIEST + 1, seed=2), SCHEDULE)


def given_to_network(x: Tensor, changes: list, index: int) -> Tensor:
    for change in changes:
        x = change(x, index)
    return x


def test_what_is_placed_stands_at_its_tokens_alone(insertion):
    where = torch.zeros(LAYOUT.tokens, dtype=torch.bool)
    where[LAYOUT.tokens_of(0, 3)] = True
    assert torch.equal(insertion.mask[0, :, 0], where)
    assert not insertion.mask[1].any()
    assert insertion.levels[:, 0, where].ne(0).all()
    assert not insertion.levels[:, 0, ~where].any()


def test_the_end_of_every_part_is_carried_to_its_start():
    previous = drawn(seed=1)
    latents, mask = carried(previous, LAYOUT, 2)
    for before, after, known in zip(*map(LAYOUT.split, (previous, latents, mask.expand(SHAPE))), strict=True):
        assert torch.equal(after[:, :2], before[:, 4:])
        assert known[:, :2].all()
        assert not known[:, 2:].any()
    assert not mask[:, list(LAYOUT.separators)].any()


@pytest.mark.parametrize("mode", ["none", "paper", "released", "inpainting"])
def test_only_inpainting_starts_from_noise_alone(mode, insertion):
    noise = drawn(seed=3)
    start, _ = steered(noise, SCHEDULE, GuidanceConfig(mode=mode), insertion=insertion, fresh_SBTL=drawn(NOISIEST + 1))
    where = insertion.mask.expand(SHAPE)
    assert torch.equal(start[~where], noise[~where])
    assert torch.equal(start[where], (noise if mode == "inpainting" else insertion.levels[-1])[where])


@pytest.mark.parametrize("index", [NOISIEST, NOISIEST - 1, 4, 0])
def test_paper_carries_on_and_steers_elsewhere(insertion, carry, index):
    """Both at every step: the carried slot is the noised end of the window before, the other retrieved ones come
    nearer to their target."""
    config = GuidanceConfig(mode="paper", schedule="all_10", lr=0.1)
    _, changes = steered(drawn(), SCHEDULE, config, insertion=insertion, carry=carry)
    x = drawn(seed=4)
    seen = given_to_network(x, changes, index)
    held, free = carry.mask.expand(SHAPE), (insertion.mask & ~carry.mask).expand(SHAPE)
    known = add_noise(carry.latents, carry.noise[index], float(SCHEDULE.alpha_bar[index]))
    torch.testing.assert_close(seen[held], known[held])
    shrink = 1 if index == NOISIEST else 0.8**10
    target = insertion.levels[index]
    torch.testing.assert_close((seen - target)[free], (x - target)[free] * shrink, atol=1e-6, rtol=1e-5)
    assert torch.equal(seen[~held & ~free], x[~held & ~free])


@pytest.mark.parametrize("index", [NOISIEST, NOISIEST - 1, 4, 0])
def test_released_forgets_the_window_before_after_one_step(insertion, carry, index):
    fresh = drawn(NOISIEST + 1, seed=5)
    _, changes = steered(
        drawn(), SCHEDULE, GuidanceConfig(mode="released"), insertion=insertion, carry=carry, fresh_SBTL=fresh
    )
    x, level = drawn(seed=4), float(SCHEDULE.alpha_bar[index])
    seen = given_to_network(x, changes, index)
    held, free = carry.mask.expand(SHAPE), (insertion.mask & ~carry.mask).expand(SHAPE)
    if index == NOISIEST:
        expected = torch.where(held, add_noise(carry.latents, carry.noise[index], level), x)
    else:  # entry index + 1 counts from the clean latents: the inverted latent one level above that of the step
        expected = torch.where(free, add_noise(insertion.levels[index + 1], fresh[index], level), x)
    assert torch.equal(seen, expected)


@pytest.mark.parametrize("index", [NOISIEST, 0])
def test_inpainting_shows_the_clean_latents_noised_to_the_level(insertion, carry, index):
    """Clean latents suffice; the window before goes on at its slot."""
    fresh, x = drawn(NOISIEST + 1, seed=5), drawn(seed=4)
    clean = Insertion(insertion.levels[:1], insertion.mask)
    _, changes = steered(x, SCHEDULE, GuidanceConfig(mode="inpainting"), insertion=clean, carry=carry, fresh_SBTL=fresh)
    level = float(SCHEDULE.alpha_bar[index])
    expected = torch.where(insertion.mask, add_noise(insertion.levels[0], fresh[index], level), x)
    expected = torch.where(carry.mask, add_noise(carry.latents, carry.noise[index], level), expected)
    assert torch.equal(given_to_network(x, changes, index), expected)


@pytest.mark.parametrize("mode", ["none", "paper", "inpainting"])
def test_where_nothing_was_retrieved_the_window_before_goes_on(mode, carry):
    _, changes = steered(drawn(), SCHEDULE, GuidanceConfig(mode=mode), carry=carry)
    x = drawn(seed=4)
    for index in (NOISIEST, 0):
        assert torch.equal(given_to_network(x, changes, index), carry(x, index))
    assert steered(x, SCHEDULE, GuidanceConfig(mode=mode))[1] == []
