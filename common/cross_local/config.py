"""Sizes of the cross-local denoiser. Imports nothing heavy."""

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from gesturebench.common.config import Config

Conditioning = Literal[3, 4, 5]
"""How seed poses reach the network, by the numbers that released code gives its variants. 3: flattened, beside the
style, in the one token that all frames see; 4: frame by frame, in place of the audio of the first frames; 5: as 4, and
final poses in place of the audio of the last frames."""


class CrossLocalSizes(Config):
    """What can be chosen; the defaults are those published for BEAT (DiffuseStyleGesture+), with conditioning 3."""

    attention: Conditioning = 3
    frames: int = Field(150, ge=2)
    """Of a window."""
    seed_frames: PositiveInt = 30
    """How many frames of the window before it a window is told."""
    window: PositiveInt = 15
    """Frames of a local window: a frame attends to those of its own window up to itself, and of the one before."""
    latent: int = Field(384, ge=8)
    """Width of the network."""
    audio_latent: PositiveInt = 96
    style_latent: PositiveInt = 64
    """Width of the style in conditioning 3, where seed poses have the rest of the token."""
    layers: PositiveInt = 8
    heads: PositiveInt = 4
    local_heads: PositiveInt = 8
    """Heads of the local attention, and of the rotation before the transformer."""
    feed_forward: PositiveInt = 1024
    dropout: float = Field(0.1, ge=0, lt=1)
    drop: float = Field(0.1, ge=0, le=1)
    """Share of the training windows whose style is not told and, by a draw of its own, of those whose seed is not."""

    @classmethod
    def small(cls, latent: int, layers: int, frames: int) -> "CrossLocalSizes":
        """A small network on windows of so many `frames`, of which 15 are seed: the fewer frames a step has, the more
        steps there are."""
        quarter = latent // 4
        sizes = {"latent": latent, "audio_latent": quarter, "style_latent": quarter, "feed_forward": 2 * latent}
        return cls(frames=frames, seed_frames=15, layers=layers, dropout=0.0, **sizes)

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.frames % self.window:
            raise ValueError(f"frames ({self.frames}) that are whole local windows of {self.window}")
        if self.latent % self.heads or self.latent % (2 * self.local_heads):
            raise ValueError(f"latent ({self.latent}) that {self.heads} heads and pairs of {self.local_heads} divide")
        if self.attention == 3 and self.style_latent >= self.latent:
            raise ValueError(f"style_latent ({self.style_latent}) below latent ({self.latent})")
        told = self.seed_frames * (2 if self.attention == 5 else 1)
        if told >= self.frames:
            raise ValueError(f"fewer told frames ({told}) than frames ({self.frames})")
        return self

    def of(self, *, features: int, audio_features: int, styles: int, mask_input: bool = False) -> "CrossLocalConfig":
        """With the widths that follow from what is denoised and heard."""
        widths = {"features": features, "audio_features": audio_features, "styles": styles, "mask_input": mask_input}
        sizes = {name: getattr(self, name) for name in CrossLocalSizes.model_fields}
        return CrossLocalConfig(**sizes, **widths)


class CrossLocalConfig(CrossLocalSizes):
    """All that the network is built from."""

    features: PositiveInt
    """Of a frame of motion."""
    audio_features: PositiveInt
    """Of a frame of speech."""
    styles: PositiveInt
    """Speakers, or emotions."""
    mask_input: bool = False
    """Motion enters beside a mask of what of it is given, (B, T, 2 F)."""

    @property
    def audio_frames(self) -> int:
        """Frames of a window whose speech is heard."""
        return self.frames - self.seed_frames * (self.attention - 3)
