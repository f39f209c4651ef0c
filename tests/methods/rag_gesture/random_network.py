"""A small denoiser with random weights everywhere, also in the layers that start at zero."""

import torch

from gesturebench.methods.rag_gesture.config import DenoiserConfig
from gesturebench.methods.rag_gesture.denoiser import Denoiser
from gesturebench.methods.rag_gesture.layout import TokenLayout


def random_denoiser(config: DenoiserConfig, layout: TokenLayout) -> Denoiser:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Denoiser(config, layout, latent=8, text=6, audio=5, positions=True)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return model.requires_grad_(False)
