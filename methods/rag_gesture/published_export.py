"""Imported weights written in the published layout: the inverse of `published_folder.read`."""

from pathlib import Path
from typing import Any

import torch
import yaml

from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.weights.artifact import new_folder, read_part
from gesturebench.common.weights.passport import Passport
from gesturebench.methods.imported import passport_of
from gesturebench.methods.rag_gesture.imported import METHOD
from gesturebench.methods.rag_gesture.published import PREFIXES, to_published
from gesturebench.methods.rag_gesture.published_folder import (
    CHECKPOINT,
    CONFIG,
    DIFFUSION,
    SCALED,
    STATE,
    VAE_STATE,
    WORDS,
)


def write(folder: Path, out: Path) -> None:
    """Imported weights in the published layout; reading that gives equal tensors and sizes."""
    passport = passport_of(str(folder), METHOD)
    with new_folder(out) as part:
        for name in PART_NAMES:
            _write_vae(folder, part / "vae", name, passport)
        _write_diffusion(folder, part / "diffusion" / DIFFUSION, passport)


def _write_vae(folder: Path, home: Path, part: str, passport: Passport) -> None:
    codec, vae = passport.sizes["codec"], passport.sizes["codec"]["vae"]
    heads = (part == "lower" and codec["lower_heads"]) or vae["heads"]
    spread = {"log_variance": "normal", "softplus": "multivariate_normal"}[vae["spread"]]
    name = f"transformer_vae_{WORDS[part]}_allspk_l{vae['layers']}h{heads}_fchunksize{vae['chunk']}"
    told = {
        "test_ckpt": f"{name}/last.pth", "nfeats": PART_FEATURES[part], "latent_dim": vae["width"],
        "num_layers": vae["layers"], "num_heads": heads, "ff_size": vae["feed_forward"],
        "frame_chunk_size": vae["chunk"], "num_frames": codec["frames"], "decoder_arch": vae["architecture"],
        "position_embedding": vae["positions"], "vae_dist": spread, "transformer_normalize_before": vae["pre_norm"],
        "dropout": passport.settings["codec"]["vae"]["dropout"], "transformer_activation": "gelu",
    }  # fmt: skip
    (home / name).mkdir(parents=True)
    (home / name / f"{name}.yaml").write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
    torch.save({VAE_STATE: read_part(folder, f"vae_{part}")}, home / name / "last.pth")


def _write_diffusion(folder: Path, home: Path, passport: Passport) -> None:
    home.mkdir(parents=True)
    state = to_published({name: read_part(folder, name) for name in PREFIXES})
    torch.save({"meta": {}, STATE: state}, home / CHECKPOINT)
    own, sampling = {ours: theirs for theirs, ours in SCALED.items()}, passport.settings.get("sampling", {})
    told: dict[str, Any] = {"num_heads": passport.sizes["denoiser"]["heads"]}
    if "part_scales" in sampling:
        told["per_joint_scale"] = {own[part]: scale for part, scale in sampling["part_scales"].items()}
    if "coarse_scale" in sampling:
        told["coarse_scale"] = sampling["coarse_scale"]
    if "late_weights" in sampling:
        told |= {"both_coef": sampling["late_weights"][0], "text_coef": 0.0}
    (home / CONFIG).write_text(f"model = {told!r}\n", encoding="utf-8")
