"""Imported weights written in the published layout: the inverse of `published_folder.read`."""

from pathlib import Path
from typing import Any

import torch

from gesturebench.common.files import write_json
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.common.weights.artifact import new_folder, read_part
from gesturebench.common.weights.passport import Passport
from gesturebench.methods.emage.config import GenerationConfig
from gesturebench.methods.emage.published import CODECS, MODEL, PLACES, TOLD, WEIGHTS
from gesturebench.methods.emage.published_folder import ROUTE_KEYS
from gesturebench.methods.imported import passport_of


def write(folder: Path, out: Path) -> None:
    """Imported weights in the layout of `emage_audio`; reading that gives equal tensors, sizes and settings."""
    passport = passport_of(str(folder), "emage")
    with new_folder(out) as part:
        torch.save(read_part(folder, MODEL), part / WEIGHTS)
        write_json(part / TOLD, _told(passport))
        for name, place in PLACES.items():
            home = part / CODECS / place
            home.mkdir(parents=True)
            torch.save(read_part(folder, name), home / WEIGHTS)
            write_json(home / TOLD, _told_of_codec(passport, name))


def _told(passport: Passport) -> dict[str, Any]:
    network, priors = passport.sizes["network"], passport.sizes["priors"]
    generation = GenerationConfig.parse(dict(passport.settings["generation"]), "generation")
    return {
        "pose_fps": 30, "motion_f": network["motion"], "pose_dims": 330, "audio_f": network["audio"],
        "speaker_dims": network["speakers"], "hidden_size": network["hidden"], "nhead": network["heads"],
        "seed_frames": passport.settings["network"]["seed_frames"], "pose_length": network["window"],
        "vae_codebook_size": priors["codec"]["codes"],
        **{key: int(getattr(generation.routes, part) == "index") for part, key in ROUTE_KEYS.items()},
    }  # fmt: skip


def _told_of_codec(passport: Passport, name: str) -> dict[str, int]:
    """Its sizes; no reader of ours needs them, the tensors have them."""
    priors, is_deep = passport.sizes["priors"], name in ("vq_lower", "global_motion")
    return {
        "vae_length": priors["codec"]["width"],
        "vae_layer": priors["lower_layers"] if is_deep else priors["codec"]["layers"],
        "vae_codebook_size": priors["codec"]["codes"],
        "vae_test_dim": PART_FEATURES["lower" if is_deep else name.removeprefix("vq_")],
    }
