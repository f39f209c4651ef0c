"""Configuration of RAG-Gesture: every size and switch, with the presets `tiny`, `demo` and `paper`. Imports nothing
heavy.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, ValidationInfo, field_validator

from gesturebench.common.budget import Training
from gesturebench.common.codecs.config import CodecConfig, PartVAEConfig
from gesturebench.common.config import Config
from gesturebench.common.features.registry import feature_named


class DenoiserConfig(Config):
    """Sizes of the latent denoiser; the defaults are the published ones."""

    width: int = 512
    layers: int = 8
    heads: int = 16
    time_width: int = 2048
    feed_forward: int = 1024
    speakers: int = 25
    query_mask: Literal["none", "separators", "released"] = "separators"
    """Tokens whose cross-attention is pushed away. Published weights need `released` (tokens K, 2K, 3K: off by the
    separators).
    """
    drop: float = 0.1
    """Share of training rows whose conditions are dropped, all three together."""


def _known_feature(name: str) -> str:
    return feature_named(name).name


FeatureName = Annotated[str, AfterValidator(_known_feature)]


class ConditionConfig(Config):
    """Speech features the denoiser reads, by their names in `common/features`."""

    text: FeatureName = "words"
    audio: FeatureName = "mel"
    text_fps: int = 15
    audio_fps: int = 15
    positions: bool = True
    """Add a sinusoid of the row's time. Contextual encoders (BERT, wav2vec2) carry positions themselves; hashed words
    and mel bands do not, and linear attention has no other way to know when something was said.
    """


class SamplingConfig(Config):
    """DDIM over unevenly spaced steps and the two-branch classifier-free mix."""

    sections: tuple[int, ...] = (15, 15, 8, 6, 6)
    coarse_scale: float = 6.5
    late_weights: tuple[float, float] = (0.23932, 0.76068)


class RetrievalConfig(Config):
    """What is retrieved for a test window, and from where.

    `none`; `discourse`: the best training window per discourse relation; `random`: at the same places a random training
    window (control); `positions`: at the places of the true gestures (oracle) a random gestured window of the same
    speaker, so true timing without content (control).
    """

    principal = "strategy"

    strategy: Literal["none", "discourse", "random", "positions"] = "none"
    window_stride: int = 75
    """Frames between the starts of database windows."""
    keep: int = 10
    """Length of a ranked list."""
    pad_before_s: float = 0.666
    pad_after_s: float = 0.333


Schedule = Literal[
    "all_one", "all_zero", "all_10", "decreasing", "increasing", "drop_decreasing_till_25", "step_increasing_from_25",
    "decreasing_till_25", "increasing_from_25",
]  # fmt: skip
"""How often each diffusion step is steered: the names of `common/diffusion/guidance.py`."""


class GuidanceConfig(Config):
    """Insertion guidance: `none` leaves the sampler alone after latent initialisation, `paper` contracts retrieved
    slots towards the inverted latents.
    """

    principal = "mode"

    mode: Literal["none", "paper"] = "none"
    schedule: Schedule = "decreasing_till_25"
    lr: float = 0.1
    target_level: Literal["matched", "released"] = "matched"
    """`matched` steers towards the inverted latent of the same noise level, `released` towards the one above."""


class RagGestureConfig(Config):
    """All of RAG-Gesture."""

    codec: CodecConfig
    denoiser: DenoiserConfig
    conditions: ConditionConfig
    training: Training
    sampling: SamplingConfig = SamplingConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    guidance: GuidanceConfig = GuidanceConfig()
    overlap: int = 15
    """Frames shared by neighbouring windows of a long speech: whole chunks, and less than a window."""

    @field_validator("overlap")
    @classmethod
    def _whole_chunks_of_a_window(cls, overlap: int, info: ValidationInfo) -> int:
        codec = info.data.get("codec")
        if codec and not (0 < overlap < codec.frames and overlap % codec.vae.chunk == 0):
            raise ValueError(f"a multiple of {codec.vae.chunk} between 0 and {codec.frames} frames, both excluded")
        return overlap


def _codec(width: int, steps: int, batch: int, frames: int) -> CodecConfig:
    """Chunks of five frames: one small latent per second would lose what wrists do."""
    vae = PartVAEConfig(
        width=width,
        layers=1,
        heads=4,
        feed_forward=2 * width,
        dropout=0.0,
        chunk=5,
        decoder_depth="as_encoder",
        pre_norm=True,
        memory_span=1,
    )
    return CodecConfig(
        vae=vae,
        frames=frames,
        posterior="mean",
        standardise=True,
        velocity=0.5,
        acceleration=0.1,
        training=Training(steps=steps, batch=batch, lr=3e-3),
    )


def _small_denoiser(width: int, layers: int) -> DenoiserConfig:
    return DenoiserConfig(width=width, layers=layers, heads=4, time_width=2 * width, feed_forward=2 * width)


PRESETS: dict[str, RagGestureConfig] = {
    "tiny": RagGestureConfig(
        codec=_codec(width=48, steps=60, batch=8, frames=60),
        denoiser=_small_denoiser(width=48, layers=1),
        conditions=ConditionConfig(),
        training=Training(steps=40, batch=8, lr=2e-3, save_every=10),
        sampling=SamplingConfig(sections=(3, 3, 2, 1, 1)),
    ),
    "demo": RagGestureConfig(
        codec=_codec(width=64, steps=250, batch=8, frames=150),
        denoiser=_small_denoiser(width=64, layers=2),
        conditions=ConditionConfig(),
        training=Training(steps=600, batch=16, lr=2e-3),
    ),
    "paper": RagGestureConfig(
        codec=CodecConfig(
            lower_heads=8, training=Training(steps=200_000, batch=64, lr=1e-4, final_lr=1.0, save_every=1000)
        ),
        denoiser=DenoiserConfig(),
        conditions=ConditionConfig(text="words", audio="mel"),
        training=Training(steps=500_000, batch=128, lr=1e-4, final_lr=1e-6, clip_norm=None, save_every=1000),
    ),
}
