"""A denoiser of toy size whose every parameter is random, and conditions for it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gesturebench.methods.remodiffuse.branches import PlainBranches, PreparedBranches
from gesturebench.methods.remodiffuse.denoiser import Denoiser
from gesturebench.methods.remodiffuse.denoiser_config import DenoiserConfig, RetrievalEncoderConfig
from gesturebench.methods.remodiffuse.retrieval_encoders import Retrieved

FRAMES, FEATURES, TEXT, WIDTH = 12, 5, 6, 16
SMALL = DenoiserConfig(
    width=WIDTH, heads=4, layers=2, time_width=20, feed_forward=24, prompt_width=8, prompt_layers=1, prompt_heads=2,
    prompt_feed_forward=12,
    retrieval=RetrievalEncoderConfig(
        motion_layers=1, caption_layers=1, motion_heads=2, caption_heads=2, feed_forward=24
    ),
)  # fmt: skip


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def random_denoiser(config: DenoiserConfig = SMALL) -> Denoiser:
    """Layers that start at zero are drawn too."""
    network = Denoiser(config, features=FEATURES, frames=FRAMES, text=TEXT)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=draw))
    return network.eval().requires_grad_(False)


@dataclass(frozen=True)
class Told:
    """The conditions of B windows, the second one shorter than the others."""

    prompt: Tensor
    retrieved: Retrieved | None
    mask: Tensor
    extra: Tensor | None = None
    style: Tensor | None = None

    def branches(
        self, network: Denoiser, timesteps: list[int], kind: type[PlainBranches | PreparedBranches] = PreparedBranches
    ) -> PlainBranches | PreparedBranches:
        return kind(network, self.prompt, self.retrieved, self.mask, self.extra, self.style, timesteps)


def told(network: Denoiser, windows: int = 3, samples: int = 2, **more: Tensor) -> Told:
    mask = torch.ones(windows, FRAMES)
    mask[1, -4:] = 0
    lengths = torch.arange(windows * samples).view(windows, samples) % FRAMES + 1
    real = (torch.arange(FRAMES) < lengths[..., None]).float()
    motions = drawn(windows, samples, FRAMES, FEATURES, seed=1) * real[..., None]
    retrieved = network.database(motions, real, drawn(windows, samples, 7, TEXT, seed=2))
    return Told(network.encode_prompt(drawn(windows, 7, TEXT, seed=3)), retrieved, mask, **more)
