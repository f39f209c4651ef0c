"""Published weights at any size, in the released containers, with random numbers. Names and shapes are those of the
manifests, scaled down by rules of their own.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]
FEATURES = {"face": 106, "upper": 78, "hands": 180, "lower": 61, "global": 61}
OLDER_FILES = {
    "face": "last_790_face_v2",
    "upper": "upper_vertex_1layer_710",
    "hands": "hands_vertex_1layer_710",
    "lower": "lower_foot_600",
    "global": "last_1700_foot",
}
BLOCKS = [("in", "c/4", True), ("c/4", "c/4", True), ("c/4", "c/4", False), ("c/4", "c/2", True), ("c/2", "c/2", False)]
BLOCKS += [("c/2", "c", True)]


@dataclass(frozen=True)
class Sizes:
    """What decides shapes; the defaults are those of the published files."""

    hidden: int = 768
    audio: int = 256
    motion: int = 256
    codes: int = 256
    latent: int = 256
    feed_forward: int = 1536
    face_layers: int = 4
    cross_layers: int = 8
    speakers: int = 1
    window: int = 64
    layers: int = 2
    lower_layers: int = 4


SMALL = Sizes(
    hidden=16, audio=8, motion=12, codes=10, latent=6, feed_forward=20, face_layers=1, cross_layers=2, layers=1,
    lower_layers=2,
)  # fmt: skip


def linear(name: str, inner: int, outer: int) -> Shapes:
    return {f"{name}.weight": (outer, inner), f"{name}.bias": (outer,)}


def conv(name: str, inner: int, outer: int, kernel: int) -> Shapes:
    return {f"{name}.weight": (outer, inner, kernel), f"{name}.bias": (outer,)}


def batch_norm(name: str, width: int) -> Shapes:
    rows = {f"{name}.{key}": (width,) for key in ("weight", "bias", "running_mean", "running_var")}
    return rows | {f"{name}.num_batches_tracked": ()}


def mlp(name: str, inner: int, hidden: int, outer: int) -> Shapes:
    return linear(f"{name}.fc1", inner, hidden) | linear(f"{name}.fc2", hidden, outer)


def block(name: str, s: Sizes, attentions: tuple[str, ...]) -> Shapes:
    d, shapes = s.hidden, {}
    for attention in attentions:
        shapes |= {f"{name}.{attention}.in_proj_weight": (3 * d, d), f"{name}.{attention}.in_proj_bias": (3 * d,)}
        shapes |= linear(f"{name}.{attention}.out_proj", d, d)
    shapes |= linear(f"{name}.linear1", d, s.feed_forward) | linear(f"{name}.linear2", s.feed_forward, d)
    for k in range(len(attentions) + 1):
        shapes |= {f"{name}.norm{k + 1}.weight": (d,), f"{name}.norm{k + 1}.bias": (d,)}
    return shapes


def decoder(name: str, layers: int, s: Sizes) -> Shapes:
    stack = [block(f"{name}.layers.{k}", s, ("self_attn", "multihead_attn")) for k in range(layers)]
    return {key: shape for layer in stack for key, shape in layer.items()}


def audio_encoder(name: str, c: int) -> Shapes:
    widths, shapes = {"in": 1, "c/4": c // 4, "c/2": c // 2, "c": c}, {}
    for k, (inner, outer, projected) in enumerate(BLOCKS):
        place, a, b = f"{name}.feat_extractor.{k}", widths[inner], widths[outer]
        shapes |= conv(f"{place}.conv1", a, b, 15) | batch_norm(f"{place}.bn1", b)
        shapes |= conv(f"{place}.conv2", b, b, 15) | batch_norm(f"{place}.bn2", b)
        if projected:
            shapes |= conv(f"{place}.downsample.0", a, b, 15) | batch_norm(f"{place}.downsample.1", b)
    return shapes


def encoder(features: int, width: int, layers: int, prefix: str) -> Shapes:
    shapes: Shapes = {}
    for k in range(layers):
        shapes |= conv(f"{prefix}.main.{3 * k}", width if k else features, width, 3)
        shapes |= residual(f"{prefix}.main.{3 * k + 2}", width)
    return shapes


def residual(name: str, width: int) -> Shapes:
    return conv(f"{name}.model.0", width, width, 3) | conv(f"{name}.model.2", width, width, 3)


def codec_shapes(part: str, s: Sizes) -> Shapes:
    layers, width, features = s.lower_layers if part in ("lower", "global") else s.layers, s.latent, FEATURES[part]
    shapes = encoder(features, width, layers, "encoder")
    shapes |= residual("decoder.main.0", width) | residual("decoder.main.1", width)
    for k in range(layers):
        shapes |= conv(f"decoder.main.{2 * k + 2}", width, features if k == layers - 1 else width, 3)
    shapes |= conv(f"decoder.main.{2 * layers + 2}", features, features, 3)
    return shapes if part == "global" else shapes | {"quantizer.embedding.weight": (s.codes, width)}


def model_shapes(s: Sizes) -> Shapes:
    d, shapes = s.hidden, {"mask_embedding": (1, 1, 337), "position_embeddings.pe": (1, 2 * s.window, s.hidden)}
    for half in ("face", "body"):
        shapes |= audio_encoder(f"audio_encoder_{half}", s.audio)
        shapes |= {f"speaker_embedding_{half}.weight": (s.speakers, d)}
        shapes |= mlp(f"bodyhints_{half}", s.motion, d, s.motion)
    shapes |= encoder(337, s.motion, 3, "motion_encoder")
    shapes |= block("transformer_en_layer", s, ("self_attn",))
    shapes |= block("audio_motion_cross_attn_layer", s, ("self_attn", "multihead_attn"))
    shapes |= linear("audio_face_motion_proj", s.audio + s.motion, d) | linear("moton_proj", s.motion, d)
    shapes |= linear("audio_body_motion_proj", s.audio, d)
    shapes |= decoder("face_motion_decoder", s.face_layers, s) | decoder("audio_motion_cross_attn", s.cross_layers, s)
    shapes |= linear("face_out_proj", d, s.latent) | mlp("face_cls", s.latent, d, s.codes)
    shapes |= block("motion_self_encoder.layers.0", s, ("self_attn",))
    for part in ("upper", "hands", "lower"):
        shapes |= mlp(f"motion2latent_{part}", d, d, d) | decoder(f"body_motion_decoder_{part}", 1, s)
        shapes |= linear(f"motion_out_proj_{part}", d, s.latent) | mlp(f"motion_cls_{part}", s.latent, d, s.codes)
    return shapes


def filled(shapes: Shapes, generator: torch.Generator) -> dict[str, Tensor]:
    """Random numbers; variances are positive, counters whole."""
    state = {}
    for name, shape in shapes.items():
        numbers = 0.2 * torch.randn(shape, generator=generator)
        if name.endswith("running_var"):
            numbers = numbers.abs() + 0.5
        state[name] = torch.tensor(7) if name.endswith("num_batches_tracked") else numbers
    return state


@dataclass
class Released:
    """What a published folder holds: may be changed before it is written."""

    model: dict[str, Tensor]
    codecs: dict[str, dict[str, Tensor]]
    told: dict[str, object]

    @classmethod
    def random(cls, sizes: Sizes = SMALL) -> "Released":
        generator = torch.Generator().manual_seed(0)
        codecs = {part: filled(codec_shapes(part, sizes), generator) for part in FEATURES}
        told = {"hidden_size": sizes.hidden, "seed_frames": 4, "lf": 3, "cf": 0, "cu": 1, "ch": 1, "cl": 1, "name": "x"}
        return cls(filled(model_shapes(sizes), generator), codecs, told)

    def write(self, folder: Path) -> Path:
        """As on the hub."""
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.model, folder / "pytorch_model.bin")
        (folder / "config.json").write_text(json.dumps(self.told))
        for part, state in self.codecs.items():
            home = folder / "emage_vq" / part
            home.mkdir(parents=True, exist_ok=True)
            torch.save(state, home / "pytorch_model.bin")
        return folder

    def write_older(self, folder: Path) -> Path:
        """As with the older code: behind a parallel wrapper, beside the optimiser."""
        (folder / "pretrained_vq").mkdir(parents=True)
        files = {f"pretrained_vq/{OLDER_FILES[part]}.bin": state for part, state in self.codecs.items()}
        for name, state in (files | {"emage_audio_175.bin": self.model}).items():
            wrapped = {f"module.{key}": tensor for key, tensor in state.items()}
            torch.save({"model_state": wrapped, "opt_state": {"lr": 1e-4}}, folder / name)
        return folder
