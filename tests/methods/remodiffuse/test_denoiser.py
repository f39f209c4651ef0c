"""Which condition reaches a prediction, by row and by source."""

import pytest
import torch

from gesturebench.methods.remodiffuse.denoiser import CONDITIONS, reconstruction_loss
from gesturebench.methods.remodiffuse.retrieval_encoders import Retrieved
from tests.methods.remodiffuse.small_network import FEATURES, FRAMES, SMALL, TEXT, drawn, random_denoiser, told


@pytest.fixture(scope="module")
def network():
    return random_denoiser()


def predicted(network, known, speech, retrieval, **changed):
    values = {"prompt": known.prompt, "retrieved": known.retrieved, **changed}
    x, t = drawn(3, FRAMES, FEATURES, seed=9), torch.tensor([3, 500, 999])
    return network(x, t, values["prompt"], values["retrieved"], speech, retrieval, known.mask)


def other_prompt(network):
    return network.encode_prompt(drawn(3, 7, TEXT, seed=77))


def other_samples(known):
    return Retrieved(known.retrieved.motion + 1, known.retrieved.text - 1, known.retrieved.mask)


@pytest.mark.parametrize(("branch", "seen"), CONDITIONS.items())
def test_a_branch_depends_on_what_it_sees_and_on_nothing_else(branch, seen, network):
    known = told(network)
    plain = predicted(network, known, *seen)
    for visible, changed in zip(
        seen, ({"prompt": other_prompt(network)}, {"retrieved": other_samples(known)}), strict=True
    ):
        assert torch.equal(predicted(network, known, *seen, **changed), plain) is not visible


def test_flags_count_by_row(network):
    known = told(network)
    speech, retrieval = torch.tensor([True, False, True]), torch.tensor([True, True, False])
    rows = predicted(network, known, speech, retrieval)
    for row in range(3):
        alone = predicted(network, known, bool(speech[row]), bool(retrieval[row]))
        assert torch.allclose(rows[row], alone[row], atol=1e-6)


def test_nothing_retrieved_is_as_retrieval_switched_off(network):
    known = told(network)
    for speech in (True, False):
        without = predicted(network, known, speech, True, retrieved=None)
        assert torch.allclose(without, predicted(network, known, speech, False), atol=1e-6)
    empty = known.retrieved._replace(mask=torch.zeros_like(known.retrieved.mask))
    emptied = predicted(network, known, True, True, retrieved=empty)
    assert torch.allclose(emptied, predicted(network, known, True, False), atol=1e-6)


def test_an_empty_slot_lends_nothing(network):
    known = told(network)
    kept = Retrieved(*(part[:, :1] for part in known.retrieved))
    mask = known.retrieved.mask.clone()
    mask[:, 1] = 0
    slot = known.retrieved._replace(mask=mask)
    ours, wanted = (predicted(network, known, True, True, retrieved=r) for r in (slot, kept))
    assert torch.allclose(ours, wanted, atol=1e-6)


def test_the_order_of_samples_does_not_matter(network):
    known = told(network)
    turned = Retrieved(*(part.flip(1) for part in known.retrieved))
    ours, wanted = (predicted(network, known, True, True, retrieved=r) for r in (turned, known.retrieved))
    assert torch.allclose(ours, wanted, atol=1e-5)


def test_frames_behind_the_end_do_not_change_real_ones(network):
    known, x = told(network), drawn(3, FRAMES, FEATURES, seed=9)
    garbage = torch.where(known.mask[..., None] > 0, x, 50.0)
    t = torch.tensor([3, 500, 999])
    ours, wanted = (network(v, t, known.prompt, known.retrieved, True, True, known.mask) for v in (garbage, x))
    assert torch.allclose(ours[1, :-4], wanted[1, :-4], atol=1e-6)
    assert not torch.allclose(ours[1, -4:], wanted[1, -4:])


def test_without_captions_keys_ignore_them():
    network = random_denoiser(SMALL.updated({"attention_keys": "motion"}))
    motions, mask = drawn(3, 2, FRAMES, FEATURES, seed=1), torch.ones(3, 2, FRAMES)
    ours, other = (network.database(motions, mask, drawn(3, 2, 7, TEXT, seed=seed)) for seed in (2, 3))
    assert all(torch.equal(*pair) for pair in zip(ours, other, strict=True))
    assert not ours.text.any()


def test_every_nth_frame_is_kept_and_its_mask():
    for stride in (1, 4, 5):
        network = random_denoiser(SMALL.updated({"retrieval": {"stride": stride}}))
        mask = (torch.arange(FRAMES) < 9).float().expand(2, 1, -1)
        found = network.database(drawn(2, 1, FRAMES, FEATURES), mask, drawn(2, 1, 7, TEXT))
        assert found.motion.shape == (2, 1, -(-FRAMES // stride), SMALL.width)
        assert torch.equal(found.mask, mask[..., ::stride])


def test_the_loss_counts_real_frames_alone():
    target, mask = torch.zeros(2, 3, 4), torch.tensor([[1.0, 1, 0], [1, 0, 0]])
    predicted = torch.full((2, 3, 4), 2.0)
    predicted[mask == 0] = 1e3
    assert reconstruction_loss(predicted, target, mask).item() == 4.0
