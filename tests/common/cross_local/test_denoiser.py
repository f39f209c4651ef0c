"""What reaches the network and what does not, and the network prepared for many steps."""

import pytest
import torch

from gesturebench.common.cross_local.config import CrossLocalSizes
from gesturebench.common.cross_local.fast import PreparedDenoiser
from gesturebench.common.errors import InputError
from tests.common.cross_local.small import FEATURES, ROWS, SIZES, network, noisy, told

T = torch.full((ROWS,), 500)


@pytest.mark.parametrize("attention", [3, 4, 5])
@pytest.mark.parametrize("uncond", [False, True])
@pytest.mark.parametrize("mask_input", [False, True])
def test_the_prepared_network_is_the_network(attention, uncond, mask_input):
    plain, known, x = network(attention, mask_input), told(attention), noisy()
    mask = (torch.rand(x.shape, generator=torch.Generator().manual_seed(3)) < 0.3) if mask_input else None
    timesteps = (10, 500, 999)
    fast = PreparedDenoiser(plain, timesteps=timesteps, mask_BTF=mask, uncond=uncond, **known)
    for index, t in enumerate(timesteps):
        expected = plain(x, torch.full((ROWS,), t), mask_BTF=mask, uncond=uncond, **known)
        torch.testing.assert_close(fast(x, index), expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2])
def test_wide_maps_and_rows_that_threads_share(count):
    """Weights large enough to be packed; two threads take two windows and one."""
    plain, known, x = network(latent=288, feed_forward=288), told(), noisy()
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        found = PreparedDenoiser(plain, timesteps=(10, 500), **known)(x, 1)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(found, plain(x, T, **known), atol=5e-6, rtol=1e-5)


def test_preparing_leaves_the_network_as_it_was():
    plain, known, x = network(latent=288), told(), noisy()
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    PreparedDenoiser(plain, timesteps=(10,), **known)(x, 0)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("attention", [3, 4, 5])
def test_everything_told_is_heard(attention):
    plain, known = network(attention), told(attention)
    before = plain(noisy(), T, **known)
    for name, value in known.items():
        after = plain(noisy(), T, **known | {name: value.flip(0)})
        assert (before - after).abs().amax() > 1e-4, name


def test_rows_that_drop_something_do_not_know_it():
    plain, known = network(3), told()
    drop = torch.tensor([True, False, True])
    for flag, name in (("drop_style_B", "style_BS"), ("drop_seed_B", "seed_BnF")):
        other = known | {name: known[name].roll(1, 0)}
        first, second = (plain(noisy(), T, **what, **{flag: drop}) for what in (known, other))
        torch.testing.assert_close(first[drop], second[drop])
        assert (first[~drop] - second[~drop]).abs().max() > 1e-4


def test_uncond_drops_both_and_never_the_audio():
    plain, known = network(3), told()
    everybody = torch.ones(ROWS, dtype=torch.bool)
    dropped = plain(noisy(), T, drop_style_B=everybody, drop_seed_B=everybody, **known)
    torch.testing.assert_close(plain(noisy(), T, uncond=True, **known), dropped)
    deaf = plain(noisy(), T, uncond=True, **known | {"audio_BTA": known["audio_BTA"] * 0})
    assert (deaf - dropped).abs().max() > 1e-4


def test_a_mask_that_is_not_given_hides_nothing_and_shows_nothing():
    plain, known = network(3, mask_input=True), told()
    nothing = plain(noisy(), T, mask_BTF=torch.zeros(ROWS, SIZES.frames, FEATURES, dtype=torch.bool), **known)
    torch.testing.assert_close(plain(noisy(), T, **known), nothing)
    everything = plain(noisy(), T, mask_BTF=torch.ones(ROWS, SIZES.frames, FEATURES), **known)
    assert (everything - nothing).abs().max() > 1e-4


def test_any_number_of_whole_local_windows():
    plain, frames = network(3), 3 * SIZES.window
    assert plain(noisy(frames), T, **told(frames=frames)).shape == (ROWS, frames, FEATURES)


def test_dropout_acts_in_training_alone():
    plain, known = network(3, dropout=0.5), told()
    torch.testing.assert_close(plain(noisy(), T, **known), plain(noisy(), T, **known))
    plain.train()
    assert (plain(noisy(), T, **known) - plain(noisy(), T, **known)).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ({"frames": 151}, r"frames \(151\) that are whole local windows of 15"),
        ({"latent": 100}, r"latent \(100\) that 4 heads and pairs of 8 divide"),
        ({"style_latent": 384}, r"style_latent \(384\) below latent \(384\)"),
        ({"attention": 5, "seed_frames": 75}, r"fewer told frames \(150\) than frames \(150\)"),
        ({"attention": 6}, "3, 4 or 5"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(setting, fault):
    with pytest.raises(InputError, match=fault):
        CrossLocalSizes().updated(setting)
