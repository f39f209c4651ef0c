"""Sizes and training of the codecs. Imports nothing heavy."""

from typing import Literal, Self

from pydantic import model_validator

from gesturebench.common.budget import Training
from gesturebench.common.config import Config


class PartVAEConfig(Config):
    """Sizes of a part VAE; the defaults are the published ones (`l8h4`, 15-frame chunks at 15 fps)."""

    width: int = 512
    layers: int = 8
    heads: int = 4
    feed_forward: int = 1024
    dropout: float = 0.1
    chunk: int = 15
    architecture: Literal["encoder_decoder", "all_encoder"] = "encoder_decoder"
    """How frames look at latents: `encoder_decoder` by cross-attention; `all_encoder` by self-attention over latents
    and frames as one sequence."""
    decoder_depth: Literal["published", "as_encoder"] = "published"
    """`published`: (layers - 1) * 4 + 1 decoder layers with 4 * heads heads (`all_encoder`: layers with 8 * heads);
    `as_encoder`: as the encoder."""
    positions: Literal["sine", "learned"] = "sine"
    """Tables of sinusoids, or learned ones of the same shape."""
    spread: Literal["log_variance", "softplus"] = "log_variance"
    """What the encoder's second token is: the posterior's log-variance (released code: `normal`), or what a softplus
    turns into its standard deviation (`multivariate_normal`)."""

    pre_norm: bool = False
    """Normalise before attention and feed-forward, not after: trains in hundreds of steps instead of thousands."""
    memory_span: int | None = None
    """How many slots away a latent may be from a frame that looks at it; None: no limit, as published."""

    @property
    def decoder_shape(self) -> tuple[int, int]:
        """(layers, heads) of the decoder."""
        if self.decoder_depth == "as_encoder":
            return self.layers, self.heads
        if self.architecture == "all_encoder":
            return self.layers, 8 * self.heads
        return (self.layers - 1) * 4 + 1, 4 * self.heads

    @model_validator(mode="after")
    def _span_needs_a_memory(self) -> Self:
        if self.memory_span is not None and self.architecture == "all_encoder":
            raise ValueError("memory_span needs the architecture encoder_decoder, whose frames look at a memory")
        return self


class CodecConfig(Config):
    """Four part VAEs with equal sizes, how they are trained, and what of the posterior is used.

    Loss = weighted mean squared errors of features, velocity and acceleration (each divided by its feature scale) + kl
    * KL(posterior | N(0, 1)).
    """

    vae: PartVAEConfig = PartVAEConfig()
    lower_heads: int | None = None
    """Heads of the lower-body VAE where they differ (8 as published)."""
    frames: int = 150
    fps: int = 15
    standardise: bool = False
    """Hand latents on centred and scaled to unit variance (one mean per channel, one scale per part). As published
    latents are raw: their constant part then takes most of the signal that noise has to drown."""
    velocity: float = 1.0
    acceleration: float = 0.5
    kl: float = 1e-4
    posterior: Literal["mean", "sampled"] = "sampled"
    """Which latents train the decoder and are handed to what builds on the codec. The published code samples; the
    encoder's last LayerNorm holds the posterior deviation near one at first, too much for a short training."""
    training: Training = Training()
