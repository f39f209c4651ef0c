"""Sizes of the denoiser and of the encoders of retrieved samples. Imports nothing heavy."""

from typing import Literal

from pydantic import Field, PositiveInt

from gesturebench.common.config import Config


class RetrievalEncoderConfig(Config):
    """The encoders of retrieved motions and captions; they are as wide as the denoiser."""

    stride: PositiveInt = 4
    """Every so many frames of an encoded motion are kept."""
    motion_layers: int = Field(2, ge=0)
    caption_layers: int = Field(2, ge=0)
    motion_heads: PositiveInt = 8
    caption_heads: PositiveInt = 8
    feed_forward: PositiveInt = 1024


class DenoiserConfig(Config):
    """Sizes of the network; the defaults are those of the published text-to-motion models."""

    width: PositiveInt = 512
    heads: PositiveInt = 8
    layers: PositiveInt = 4
    time_width: PositiveInt = 2048
    feed_forward: PositiveInt = 1024
    prompt_width: PositiveInt = 256
    prompt_layers: PositiveInt = 2
    prompt_heads: PositiveInt = 4
    prompt_feed_forward: PositiveInt = 2048
    dropout: float = Field(0.0, ge=0, lt=1)
    attention: Literal["linear", "softmax"] = "linear"
    """`linear`: semantics-modulated attention over prompt, retrieved motions and motion. `softmax`: over prompt and
    motion alone, quadratic in the number of frames; an ablation that has no place for what is retrieved.
    """
    attention_keys: Literal["motion_text", "motion"] = "motion_text"
    """What decides which retrieved frames are borrowed: motion and caption of a sample, or its motion alone."""
    retrieval: RetrievalEncoderConfig = RetrievalEncoderConfig()
