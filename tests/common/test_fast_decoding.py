"""Fast decoding is decoding: every variant of the part VAE, any number of latents, alone and side by side."""

import threading

import pytest
import torch

from gesturebench.common.codecs.config import PartVAEConfig
from gesturebench.common.codecs.fast_decoding import FastDecoder, decoded
from gesturebench.common.codecs.part_vae import PartVAE
from gesturebench.common.threads import spread

VARIANTS = {
    "published": {"decoder_depth": "published", "layers": 2},
    "one layer": {"decoder_depth": "as_encoder", "layers": 1},
    "normalised first": {"pre_norm": True, "decoder_depth": "as_encoder", "layers": 3},
    "short memory": {"memory_span": 1},
    "learned positions": {"positions": "learned"},
    "without cross-attention": {"architecture": "all_encoder"},
}


def vae(seed: int = 0, **overrides) -> PartVAE:
    config = {"width": 32, "layers": 2, "heads": 2, "feed_forward": 48, "chunk": 3, **overrides}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PartVAE(PartVAEConfig(**config), 7)
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):  # zero at first, so that a bias left out would not be missed
                torch.nn.init.normal_(parameter, std=0.3)
    return model.eval().requires_grad_(False)


def latents(rows: int = 2, slots: int = 5, seed: int = 1) -> torch.Tensor:
    return torch.randn(rows, slots, 32, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("variant", VARIANTS)
def test_decodes_as_the_vae_does(variant):
    plain, fast = vae(**VARIANTS[variant]), FastDecoder(vae(**VARIANTS[variant]))
    for rows, slots in ((2, 5), (1, 5), (3, 1), (1, 9)):
        z = latents(rows, slots)
        torch.testing.assert_close(fast(z), plain.decode(z), atol=1e-5, rtol=1e-5)


def test_large_weights_are_packed_and_meet_other_rows():
    wide = {"width": 256, "heads": 4, "feed_forward": 256}
    plain, fast = vae(**wide), FastDecoder(vae(**wide))
    for rows in (1, 3, 1):
        z = torch.randn(rows, 4, 256, generator=torch.Generator().manual_seed(rows))
        torch.testing.assert_close(fast(z), plain.decode(z), atol=1e-5, rtol=1e-5)


def test_the_vae_keeps_its_weights_and_what_it_does():
    plain, laid_out = vae(), vae()
    FastDecoder(laid_out)
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in laid_out.state_dict().items())
    x = torch.randn(2, 15, 7, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(laid_out.posterior(x), plain.posterior(x), atol=1e-5, rtol=1e-5)


def test_parts_side_by_side_are_parts_one_by_one():
    plain = {name: vae(seed) for seed, name in enumerate(("upper", "hands", "face"))}
    decoders = {name: FastDecoder(vae(seed)) for seed, name in enumerate(plain)}
    z = {name: latents(seed=seed) for seed, name in enumerate(plain)}
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        found = decoded(decoders, z)
    finally:
        torch.set_num_threads(before)
    assert list(found) == list(plain)
    for name, motion in found.items():
        torch.testing.assert_close(motion, plain[name].decode(z[name]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("threads", "workers", "share"), [(1, 1, 1), (2, 2, 1), (4, 3, 1), (6, 3, 2)])
def test_tasks_share_the_threads(threads, workers, share):
    """All of them are under way at once where there are threads enough, each with its share."""
    before = torch.get_num_threads()
    started = threading.Barrier(workers, timeout=20)

    def task(k: int) -> tuple[int, int]:
        if workers > 1:
            started.wait()
        return k, torch.get_num_threads()

    try:
        torch.set_num_threads(threads)
        found = spread([lambda k=k: task(k) for k in range(3 if workers == 3 else workers)])
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert [k for k, _ in found] == list(range(len(found)))
    assert {seen for _, seen in found} == {share}


def test_an_error_in_a_task_is_raised():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(ZeroDivisionError):
            spread([lambda: 1, lambda: 1 / 0])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
