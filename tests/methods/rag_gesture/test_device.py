"""Nothing that is computed beside the network stays behind on the CPU: on torch's device without data, to add, multiply
or choose element by element with a tensor of another device is an error, as on a GPU.
"""

import pytest
import torch

from gesturebench.common.codecs.config import CodecConfig
from gesturebench.common.codecs.part_codec import feature_scale, latent, part_config, vae_losses
from gesturebench.common.codecs.part_vae import PartVAE
from gesturebench.methods.rag_gesture.config import PRESETS
from gesturebench.methods.rag_gesture.denoiser import Conditions
from gesturebench.methods.rag_gesture.fitting import build_denoiser, denoising_losses, diffusion_draws
from gesturebench.methods.rag_gesture.sampler import LatentSampler
from gesturebench.methods.rag_gesture.steering import Insertion, Outpainting, steered

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
    x0 = torch.zeros(2, layout.tokens, LATENT)
    batch = {"x0": x0, **vars(told(denoiser)), **diffusion_draws(x0, 0.1, torch.Generator())}
    batch = {name: rows.to(ELSEWHERE) for name, rows in batch.items()}
    losses = denoising_losses(denoiser.to(ELSEWHERE), batch, CONFIG.denoiser.part_weights)
    losses["loss"].backward()
    assert {value.device for value in losses.values()} == {ELSEWHERE}


@pytest.mark.parametrize("mode", ["paper", "released", "inpainting"])
def test_a_guided_step_happens_where_the_denoiser_lives(mode):
    denoiser, layout = build_denoiser(CONFIG)
    sampling = CONFIG.sampling.updated({"part_scales": {"upper": 1.5}})
    sampler = LatentSampler(denoiser.requires_grad_(False).to(ELSEWHERE), sampling)
    steps, shape = len(sampler.schedule), (2, layout.tokens, LATENT)
    mask = torch.ones(2, layout.tokens, 1, dtype=torch.bool)
    insertion = Insertion(torch.zeros(steps + 1, *shape), mask)
    carry = Outpainting(torch.zeros(shape), mask, torch.zeros(steps, *shape), sampler.schedule)
    guidance = CONFIG.guidance.updated({"mode": mode})
    start, changes = steered(
        torch.zeros(shape), sampler.schedule, guidance, insertion=insertion, carry=carry, fresh_SBTL=carry.noise
    )
    for index in (steps - 1, 0):
        x = start.to(ELSEWHERE)
        for change in (*changes, sampler.predictor(told(denoiser))):
            x = change(x, index)
        assert x.device == ELSEWHERE
