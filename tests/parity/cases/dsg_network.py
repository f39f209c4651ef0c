"""The networks of DiffuseStyleGesture: local attention, rotary positions and the denoiser in its variants."""

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from gesturebench.common.cross_local.config import CrossLocalConfig, CrossLocalSizes
from gesturebench.common.cross_local.denoiser import CrossLocalDenoiser
from gesturebench.common.cross_local.local_attention import local_attention
from gesturebench.common.cross_local.rotary import angles, inverse_frequencies, rotated
from tests.parity.cases._rag_gesture import Arrays, filled
from tests.parity.frame import Check, Golden, case, near

BLOCK, NETWORK = 1e-5, 1e-5


@case("exges/local_attention_causal.npz")
@case("exges/local_attention_bidirectional.npz")
def attention(golden: Golden) -> Iterator[Check]:
    file = Arrays.of(golden)
    c, heads = file.config, [file.inputs[name].unflatten(0, (-1, file.config["heads"])) for name in "qkv"]
    around = {"backward": c["look_backward"], "forward": c["look_forward"], "causal": c["causal"]}
    everything = torch.ones(len(heads[0]), heads[0].shape[2], dtype=torch.bool)
    variants = {
        "full_mask": (everything, False),
        "partial_mask": (file.inputs["mask_partial"], False),
        "no_mask": (None, False),
        "exact_window_full_mask": (everything, True),
    }
    for name, (mask, exact) in variants.items():
        found = local_attention(*heads, c["window"], mask_BT=mask, exact=exact, **around)
        yield near(name, found, golden[f"out/{name}"], BLOCK)


@case("exges/rotary.npz")
def rotary(golden: Golden) -> Iterator[Check]:
    dim, x = golden.config()["dim"], torch.from_numpy(golden["in/x"])
    yield near("inv_freq", inverse_frequencies(dim), golden["out/inv_freq"])
    yield near("freqs", angles(x.shape[-2], dim), golden["out/freqs"])
    yield near("x", rotated(x, angles(x.shape[-2], dim)), golden["out/x"])


@case("exges/dsg_attention3_main.npz")
@case("exges/dsg_attention3_beat.npz")
@case("exges/dsg_attention4_beat.npz")
@case("exges/dsg_attention5_beat.npz")
def denoiser(golden: Golden) -> Iterator[Check]:
    file = Arrays.of(golden)
    network = filled(CrossLocalDenoiser(_sizes(file.config)), file.param)
    inputs = file.inputs
    told = (_frames(inputs["x"]), inputs["timesteps"], inputs["audio"], inputs["style"], _frames(inputs["seed"]))
    last = {"seed_last_BnF": _frames(inputs["seed_last"])} if "seed_last" in inputs else {}
    with torch.no_grad():
        for name in golden.groups("out/"):
            mask = inputs.get("mask_local_partial" if name.endswith("mask_partial") else "mask_local")
            x0 = network(*told, **last, uncond=name.endswith("uncond"), mask_local_BT=mask)
            yield near(name, x0.transpose(1, 2)[:, :, None], golden[f"out/{name}"], NETWORK)


def _sizes(c: dict) -> CrossLocalConfig:
    variant = int(re.search(r"attention(\d)", c["variant"])[1])
    sizes = CrossLocalSizes(
        attention=variant,
        frames=c["frames"],
        seed_frames=c["n_seed"],
        window=c["window"],
        latent=c["latent_dim"],
        audio_latent=c["audio_latent"],
        layers=c["num_layers"],
        heads=c["num_heads"],
        local_heads=c["local_heads"],
        feed_forward=c["ff_size"],
        **({"style_latent": c["style_dim"]} if "style_dim" in c else {}),
    )
    return sizes.of(features=c["njoints"], audio_features=c["audio_in"], styles=c["style_in"])


def _frames(x_BF1T: Tensor) -> Tensor:
    """(B, T, F)."""
    return x_BF1T[:, :, 0].transpose(1, 2)
