"""Nothing that is computed beside the network stays behind on the CPU: on torch's device without data, to add, multiply
or choose element by element with a tensor of another device is an error, as on a GPU.
"""

import pytest
import torch

from gesturebench.common.codecs.config import CodecConfig
from gesturebench.common.codecs.part_codec import feature_scale, latent, part_config, vae_losses
from gesturebench.common.codecs.part_vae import PartVAE
from gesturebench.common.diffusion.schedule import scaled_linear_betas
from gesturebench.methods.rag_gesture.config import PRESETS
from gesturebench.methods.rag_gesture.denoiser import Conditions
from gesturebench.methods.rag_gesture.fitting import build_denoiser, denoising_losses
from gesturebench.methods.rag_gesture.sampler import Carry, Insertion, LatentSampler

ELSEWHERE = torch.device("meta")
CONFIG = PRESETS["tiny"]
LATENT = CONFIG.codec.vae.width


def told(denoiser) -> Conditions:
    text, audio = denoiser.text_pre_proj.in_features, denoiser.audio_pre_proj.in_features
    return Conditions(torch.zeros(2, 8, text), torch.zeros(2, 8, audio), torch.zeros(2, dtype=torch.long))


@pytest.mark.parametrize("span", [None, 1])
def test_training_the_part_vae_happens_where_it_lives(span):
    codec = CodecConfig.parse({**CONFIG.codec.model_dump(), "posterior": "sampled"}, "codec")
    vae = PartVAE(part_config(codec, "hands").model_copy(update={"memory_span": span}), 12).to(ELSEWHERE)
    x = torch.randn(2, codec.frames, 12)
    mean, log_variance = vae.posterior(x.to(ELSEWHERE))
    y = vae.decode(latent(mean, log_variance, codec, torch.Generator()))
    losses = vae_losses(x.to(ELSEWHERE), y, mean, log_variance, feature_scale(x), codec)
    losses["loss"].backward()
    assert {value.device for value in losses.values()} == {ELSEWHERE}


def test_training_the_denoiser_happens_where_it_lives():
    denoiser, layout = build_denoiser(CONFIG)
    denoiser, alpha_bar = denoiser.to(ELSEWHERE), torch.from_numpy((1 - scaled_linear_betas(1000)).cumprod())
    x0 = torch.zeros(2, layout.tokens, LATENT, device=ELSEWHERE)
    losses = denoising_losses(denoiser, layout, x0, told(denoiser).to(ELSEWHERE), alpha_bar, 0.1, torch.Generator())
    losses["loss"].backward()
    assert {value.device for value in losses.values()} == {ELSEWHERE}


def test_a_guided_step_happens_where_the_denoiser_lives():
    denoiser, layout = build_denoiser(CONFIG)
    sampler = LatentSampler(denoiser.requires_grad_(False).to(ELSEWHERE), CONFIG.sampling)
    steps = len(sampler.schedule)
    mask = torch.ones(2, layout.tokens, 1, dtype=torch.bool)
    insertion = Insertion(torch.zeros(steps + 1, 2, layout.tokens, LATENT), mask)
    carry = Carry(
        torch.zeros(2, layout.tokens, LATENT), mask, torch.zeros(steps, 2, layout.tokens, LATENT), sampler.schedule
    )
    x = insertion.initialise(torch.zeros(2, layout.tokens, LATENT)).to(ELSEWHERE)
    for change in (insertion.guidance(CONFIG.guidance), carry, sampler.predictor(told(denoiser))):
        x = change(x, steps - 2)
    assert x.device == ELSEWHERE
