"""The encoder of FGD, layer by layer, its masks and pools; the decoder of the same network."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import log2

import torch

from gesturebench.evaluators.fgd import BLOCK
from gesturebench.evaluators.fgd_features import encoded, rot6d
from gesturebench.evaluators.skeleton_encoder import SkeletonAutoencoder, UpsamplingDecoder
from tests.parity.frame import Check, Golden, case, near, same

NETWORK = 1e-5
"""float32 networks: another order of summation, from another number of threads or processor, moves features by 2e-6."""


@case("evaluators/fgd_encoder.npz")
@torch.no_grad()
def encoder(golden: Golden) -> Iterator[Check]:
    model, parameters = SkeletonAutoencoder().eval(), tensors(golden, "param/encoder.")
    constants = dict(model.encoder.named_buffers())
    for name, constant in constants.items():
        yield same(f"param/encoder.{name}", constant, parameters[name])
    model.encoder.load_state_dict(parameters)
    with two_threads():
        for clip in [name for name in golden.groups() if f"{name}/poses" in golden]:
            yield from of_clip(golden, model, clip)


def of_clip(golden: Golden, model: SkeletonAutoencoder, clip: str) -> Iterator[Check]:
    yield near(f"{clip}/rot6d", rot6d(golden[f"{clip}/poses"])[None], golden[f"{clip}/rot6d"])
    # from the golden rotations on, so that every stage is compared from equal inputs
    rotations = torch.from_numpy(golden[f"{clip}/rot6d"])[0]
    whole = rotations[: len(rotations) // BLOCK * BLOCK]
    yield near(f"{clip}/feat_whole", encoded(model, rotations)[None], golden[f"{clip}/feat_whole"], NETWORK)
    windows = torch.cat([torch.from_numpy(encoded(model, window))[None] for window in whole.split(BLOCK)])
    yield near(f"{clip}/feat_win32", windows, golden[f"{clip}/feat_win32"], NETWORK)
    x_BCT = whole[None].transpose(1, 2)
    for index, layer in enumerate(model.encoder.layers):
        x_BCT = layer(x_BCT)
        if (key := f"{clip}/layer{index}") in golden:
            yield near(key, x_BCT, golden[key], NETWORK)


@case("evaluators/fgd_decoder_small.npz")
@torch.no_grad()
def decoder(golden: Golden) -> Iterator[Check]:
    latent, rec = tensors(golden, "")["latent"], golden["rec"]
    doublings = int(log2(rec.shape[1] // latent.shape[1]))
    model = UpsamplingDecoder(latent.shape[-1], rec.shape[-1], doublings)
    model.load_state_dict(tensors(golden, "param/decoder."))
    yield near("rec", model(latent), rec)


def tensors(golden: Golden, prefix: str) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in golden.under(prefix).items()}


@contextmanager
def two_threads() -> Iterator[None]:
    """The reference ran on two: then sums are taken in its order."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        yield
    finally:
        torch.set_num_threads(before)
