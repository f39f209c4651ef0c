"""Published weights at any size, written by rules of their own: names and shapes as the released networks have them, in
the released containers, with random numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]
FOLDERS = {
    "upper": "0903_020101_gesture_lexicon_transformer_vae_upper_allspk_len256_l{layers}h{heads}_fchunksize15",
    "hands": "0909_132647_gesture_lexicon_transformer_vae_hands_allspk_len10s_l{layers}h{heads}_fchunksize15",
    "face": "0909_130750_gesture_lexicon_transformer_vae_face_allspk_len10s_l{layers}h{heads}_fchunksize15",
    "lowertrans": "1031_142417_gesture_lexicon_transformer_vae_lowerplustrans_allspk_len10s_l{layers}h{heads}_"
    "fchunksize15_run2",
}
FEATURES = {"upper": 78, "hands": 180, "face": 106, "lowertrans": 61}
DIFFUSION = Path("diffusion") / "base_beatx_len150fps15_finalweights"


@dataclass(frozen=True)
class Sizes:
    """What decides shapes; the defaults are those of the published files."""

    width: int = 512
    layers: int = 8
    heads: Mapping[str, int] = field(default_factory=lambda: {"upper": 4, "hands": 4, "face": 4, "lowertrans": 8})
    feed_forward: int = 1024
    crossed: bool = True
    frames: int = 150
    denoiser: int = 512
    denoiser_layers: int = 8
    denoiser_heads: int = 16
    time: int = 2048
    denoiser_feed_forward: int = 1024
    text: int = 768
    audio: int = 768

    @property
    def slots(self) -> int:
        return self.frames // 15


SMALL = Sizes(
    width=16, layers=2, heads={"upper": 1, "hands": 1, "face": 1, "lowertrans": 2}, feed_forward=24, frames=60,
    denoiser=24, denoiser_layers=2, denoiser_heads=3, time=32, denoiser_feed_forward=20, text=64, audio=66,
)  # fmt: skip
"""Reads the features words and mel."""


def linear(name: str, inner: int, outer: int) -> Shapes:
    return {f"{name}.weight": (outer, inner), f"{name}.bias": (outer,)}


def norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def attention(name: str, d: int) -> Shapes:
    return {
        f"{name}.in_proj_weight": (3 * d, d),
        f"{name}.in_proj_bias": (3 * d,),
        **linear(f"{name}.out_proj", d, d),
    }


def stack(name: str, depth: int, d: int, hidden: int, crossed: bool) -> Shapes:
    """Blocks in a U: n, one, n, and n linears that join them; an even depth gets one more."""
    n = depth // 2
    blocks = [f"{name}.input_blocks.{i}" for i in range(n)] + [f"{name}.middle_block"]
    blocks += [f"{name}.output_blocks.{i}" for i in range(n)]
    shapes = norm(f"{name}.norm", d)
    for block in blocks:
        shapes |= attention(f"{block}.self_attn", d) | linear(f"{block}.linear1", d, hidden)
        shapes |= linear(f"{block}.linear2", hidden, d) | norm(f"{block}.norm1", d) | norm(f"{block}.norm2", d)
        shapes |= attention(f"{block}.multihead_attn", d) | norm(f"{block}.norm3", d) if crossed else {}
    for i in range(n):
        shapes |= linear(f"{name}.linear_blocks.{i}", 2 * d, d)
    return shapes


def vae_shapes(part: str, s: Sizes) -> Shapes:
    depth = (s.layers - 1) * 4 + 1 if s.crossed else s.layers
    tables = {
        f"{name}.pe": (1024, 1, s.width) for name in ("query_pos_encoder", "query_pos_decoder", "mem_pos_decoder")
    }
    return {
        "global_motion_token": (2, s.width),
        **tables,
        **stack("encoder", s.layers, s.width, s.feed_forward, crossed=False),
        **stack("decoder", depth, s.width, s.feed_forward, s.crossed),
        **linear("skel_embedding", FEATURES[part], s.width),
        **linear("final_layer", s.width, FEATURES[part]),
    }


def stylization(name: str, d: int, time: int) -> Shapes:
    return linear(f"{name}.emb_layers.1", time, 2 * d) | norm(f"{name}.norm", d) | linear(f"{name}.out_layers.2", d, d)


def efficient_attention(name: str, d: int, time: int, crossed: bool) -> Shapes:
    shapes = norm(f"{name}.norm", d) | (norm(f"{name}.text_norm", d) if crossed else {})
    for word in ("query", "key", "value"):
        shapes |= linear(f"{name}.{word}", d, d)
    return shapes | stylization(f"{name}.proj_out", d, time)


def denoiser_shapes(s: Sizes) -> Shapes:
    """Without the prefix `model.` and the embedded VAEs."""
    d = s.denoiser
    shapes: Shapes = {
        "sequence_embedding.pe": (s.slots, 1, d),
        "global_positional_embedding.pe": (4 * s.slots + 3, 1, d),
        "speaker_embedding.weight": (25, d),
        **linear("text_pre_proj", s.text, d),
        **linear("audio_pre_proj", s.audio, d),
        **linear("joint_embed", s.width, d),
        **linear("time_embed.0", d, s.time),
        **linear("time_embed.2", s.time, s.time),
        **linear("out", d, s.width),
    }
    for i in range(s.denoiser_layers):
        block = f"temporal_decoder_blocks.{i}"
        shapes |= efficient_attention(f"{block}.sa_block", d, s.time, crossed=False)
        for condition in ("xf_text", "xf_audio", "xf_spk"):
            shapes |= efficient_attention(f"{block}.ca_blocks.{condition}", d, s.time, crossed=True)
        shapes |= linear(f"{block}.ca_mix", 3 * d, d) | linear(f"{block}.ffn.linear1", d, s.denoiser_feed_forward)
        shapes |= linear(f"{block}.ffn.linear2", s.denoiser_feed_forward, d)
        shapes |= stylization(f"{block}.ffn.proj_out", d, s.time)
    return shapes


def drawn(shapes: Shapes, seed: int) -> dict[str, Tensor]:
    """Small random numbers, so that networks of them stay tame."""
    generator = torch.Generator().manual_seed(seed)
    return {name: 0.05 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@dataclass(eq=False)
class Released:
    """Everything that is in the published folders, to be changed before it is written."""

    sizes: Sizes = SMALL
    vaes: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    diffusion: dict[str, Tensor] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    """In every YAML file beside `test_ckpt`; what is not told follows from shapes, names and what is usual."""
    config: str | None = None
    """Text of the Python file."""

    @classmethod
    def random(cls, sizes: Sizes = SMALL, *, embedded: bool = True) -> "Released":
        made = cls(sizes, told={"num_frames": sizes.frames})
        for seed, part in enumerate(FEATURES):
            made.vaes[part] = drawn(vae_shapes(part, sizes), seed)
            prefix = f"model.gesture_rep_encoder.{part}_vae."
            own = drawn(vae_shapes(part, sizes), 10 + seed) if embedded else {}
            made.diffusion |= {f"{prefix}{name}": tensor for name, tensor in own.items()}
        made.diffusion |= {f"model.{name}": tensor for name, tensor in drawn(denoiser_shapes(sizes), 20).items()}
        inner = "dict(num_heads=heads, home=os.getcwd())"
        made.config = f"import os\nheads = {sizes.denoiser_heads}\nmodel = dict(type='Model', model={inner})\n"
        return made

    def name(self, part: str) -> str:
        return FOLDERS[part].format(layers=self.sizes.layers, heads=self.sizes.heads[part])

    def vae_file(self, root: Path, part: str) -> Path:
        return root / "vae" / self.name(part) / f"vae_{part}.bin"

    def yaml_file(self, root: Path, part: str) -> Path:
        return root / "vae" / self.name(part) / f"{self.name(part)}.yaml"

    def checkpoint(self, root: Path) -> Path:
        return root / DIFFUSION / "epoch_64.pth"

    def write(self, root: Path) -> Path:
        for part, tensors in self.vaes.items():
            path = self.vae_file(root, part)
            path.parent.mkdir(parents=True)
            wrapped = {f"{'module.' * (k % 2)}{name}": tensor for k, (name, tensor) in enumerate(tensors.items())}
            torch.save({"epoch": 3, "model_state": wrapped}, path)
            told = {"test_ckpt": f"/home/them/experiments/{path.name}", **self.told}
            self.yaml_file(root, part).write_text(yaml.safe_dump(told))
        (root / DIFFUSION).mkdir(parents=True)
        moments = {"state": {0: {"step": 5}}, "param_groups": [{"lr": 1e-4}]}
        content = {"meta": {"epoch": 64, "iter": 7}, "state_dict": self.diffusion, "optimizer": moments}
        torch.save(content, self.checkpoint(root))
        if self.config is not None:
            (root / DIFFUSION / "basegesture_len150_beat.py").write_text(self.config)
        return root
