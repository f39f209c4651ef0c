"""Imported weights written in the published layout: the inverse of `published_folder.read`."""

from pathlib import Path
from typing import Any

import torch

from gesturebench.common.weights.artifact import new_folder, read_part
from gesturebench.common.weights.passport import Passport
from gesturebench.methods.remodiffuse.published import to_published
from gesturebench.methods.remodiffuse.published_folder import CHECKPOINT, CONFIG, MIXED, STATE


def write(folder: Path, out: Path) -> None:
    """Imported weights in the published layout; reading that gives equal tensors and sizes."""
    passport = Passport.read(folder)
    state = to_published({name: read_part(folder, name) for name in passport.parts})
    with new_folder(out) as part:
        torch.save({"meta": {}, STATE: state}, part / CHECKPOINT)
        (part / CONFIG).write_text(f"model = {_told(passport)!r}\n", encoding="utf-8")


def _told(passport: Passport) -> dict[str, Any]:
    """What no tensor tells, by the published names."""
    denoiser, retrieval = passport.sizes["denoiser"], passport.sizes["denoiser"]["retrieval"]
    told: dict[str, Any] = {
        "ca_block_cfg": {"num_heads": denoiser["heads"]},
        "text_encoder": {"num_heads": denoiser["prompt_heads"]},
        "retrieval_cfg": {
            "stride": retrieval["stride"],
            "num_heads": retrieval["caption_heads"],
            "sa_block_cfg": {"num_heads": retrieval["motion_heads"]},
        },
    }
    if mixture := passport.settings.get("mixture"):
        told["scale_func_cfg"] = dict(zip(MIXED, (mixture["coarse_scale"], *mixture["fine"]), strict=True))
    return told
