"""Prepared branches are the plain network, for every set of conditions."""

import pytest
import torch
from torch.autograd import forward_ad

from gesturebench.methods.remodiffuse.branches import PlainBranches, PreparedBranches, Reduced, prepared
from gesturebench.methods.remodiffuse.denoiser import CONDITIONS
from tests.methods.remodiffuse.small_network import FEATURES, FRAMES, SMALL, drawn, random_denoiser, told

TIMES = [0, 342, 999]
ALL = tuple(CONDITIONS)
EXTRA = drawn(3, FRAMES, SMALL.width, seed=4)
SPEAKERS = drawn(2, SMALL.time_width, seed=5)
GIVEN = {
    "plain": {},
    "frame-aligned audio": {"extra": EXTRA},
    "one speaker": {"style": SPEAKERS[:1].expand(3, -1)},
    "two speakers": {"style": SPEAKERS[[1, 0, 1]], "extra": EXTRA},
}


@pytest.fixture(scope="module")
def network():
    return random_denoiser()


@pytest.mark.parametrize("needed", [ALL, ("both", "retr"), ("text", "none"), ("none",), ("retr", "both")], ids="-".join)
@pytest.mark.parametrize("given", GIVEN)
def test_predictions_are_those_of_the_network(given, needed, network):
    known = told(network, **GIVEN[given])
    fast, plain = (known.branches(network, TIMES, kind) for kind in (PreparedBranches, PlainBranches))
    x = drawn(3, FRAMES, FEATURES, seed=9)
    for step in range(len(TIMES)):
        ours, wanted = (branches.predict(x, step, needed) for branches in (fast, plain))
        assert tuple(ours) == needed
        for name in needed:
            assert (ours[name] - wanted[name]).abs().max() < 1e-5 * wanted[name].abs().max(), (step, name)


def test_nothing_retrieved(network):
    known = told(network)
    given = network, known.prompt, None, known.mask, None, None, TIMES
    x = drawn(3, FRAMES, FEATURES, seed=9)
    ours, wanted = (kind(*given).predict(x, 1, ALL) for kind in (PreparedBranches, PlainBranches))
    assert all(torch.allclose(ours[name], wanted[name], atol=1e-5) for name in ALL)
    assert torch.equal(ours["both"], ours["text"])


def test_a_slot_without_a_sample(network):
    known = told(network)
    mask = known.retrieved.mask.clone()
    mask[0], mask[2, 1] = 0, 0
    emptied = known.retrieved._replace(mask=mask)
    given = network, known.prompt, emptied, known.mask, None, None, TIMES
    x = drawn(3, FRAMES, FEATURES, seed=9)
    ours, wanted = (kind(*given).predict(x, 1, ALL) for kind in (PreparedBranches, PlainBranches))
    assert all(torch.allclose(ours[name], wanted[name], atol=1e-5) for name in ALL)


def test_a_clip_does_not_depend_on_its_batch(network):
    known, x = told(network, style=SPEAKERS[[1, 0, 1]]), drawn(3, FRAMES, FEATURES, seed=9)
    whole = known.branches(network, TIMES).predict(x, 1, ALL)
    one = slice(2, 3)
    alone = PreparedBranches(
        network, known.prompt[one], known.retrieved.rows(one), known.mask[one], None, known.style[one], TIMES
    ).predict(x[one], 1, ALL)
    assert all(torch.allclose(alone[name], whole[name][one], atol=1e-5) for name in ALL)


@pytest.mark.parametrize("cached", [1, 3 * FRAMES * SMALL.width])
@pytest.mark.parametrize("given", GIVEN)
def test_a_few_clips_at_a_time_are_as_all_at_once(given, cached, network, monkeypatch):
    known, x = told(network, **GIVEN[given]), drawn(3, FRAMES, FEATURES, seed=9)
    needed = ("both", "none")
    whole = known.branches(network, TIMES).predict(x, 1, needed)
    monkeypatch.setattr("gesturebench.methods.remodiffuse.branches.CACHED", cached)
    parts = known.branches(network, TIMES).predict(x, 1, needed)
    assert all(torch.allclose(parts[name], whole[name], atol=1e-5) for name in needed)


def test_forward_mode_derivatives_pass(network):
    branches, x, v = told(network).branches(network, TIMES), *(drawn(3, FRAMES, FEATURES, seed=s) for s in (9, 10))
    with forward_ad.dual_level():
        dual = branches.predict(forward_ad.make_dual(x, v), 1, ("both",))["both"]
        slope = forward_ad.unpack_dual(dual).tangent
    step = 1e-2
    ahead, behind = (branches.predict(x + sign * step * v, 1, ("both",))["both"] for sign in (1, -1))
    assert torch.allclose(slope, (ahead - behind) / (2 * step), atol=2e-3 * float(slope.abs().max()))


def test_softmax_attention_is_called_plainly():
    network = random_denoiser(SMALL.updated({"attention": "softmax"}))
    known = told(network)
    branches = prepared(network, known.prompt, known.retrieved, known.mask, None, None, TIMES)
    found = branches.predict(drawn(3, FRAMES, FEATURES, seed=9), 1, ALL)
    assert torch.equal(found["both"], found["text"])
    assert not torch.allclose(found["text"], found["none"])


def test_merged_blocks_are_one_softmax():
    key, value = drawn(2, 9, 3, 4, seed=1) * 30, drawn(2, 9, 3, 4, seed=2)
    blocks = [Reduced.of(key[:, part], value[:, part]) for part in (slice(0, 2), slice(2, 8), slice(8, 9))]
    merged = blocks[0].merged(blocks[1]).merged(blocks[2])
    wanted = key.softmax(1).permute(0, 2, 3, 1) @ value.transpose(1, 2)
    assert torch.allclose(merged.context(), wanted, atol=1e-6)
    nothing = Reduced.nothing(2, 3, 4, key)
    assert torch.allclose(nothing.merged(merged).context(), wanted, atol=1e-6)
