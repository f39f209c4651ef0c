"""Imported weights written in the published layout: the inverse of `published_folder.read`."""

from pathlib import Path

import torch
import yaml

from gesturebench.common.weights.artifact import new_folder, read_part
from gesturebench.common.weights.passport import Passport
from gesturebench.methods.diffuse_style_gesture.published import NETWORK, TOLD, config_of, tables
from gesturebench.methods.diffuse_style_gesture.published_folder import CHECKPOINT, CONFIG


def write(folder: Path, out: Path) -> None:
    """Imported weights in the published layout, tables included; reading that gives equal tensors and sizes."""
    config = config_of(Passport.read(folder), str(folder))
    told = {key: getattr(config, name) for key, name in TOLD.items()}
    with new_folder(out) as part:
        torch.save(read_part(folder, NETWORK) | tables(config), part / CHECKPOINT)
        (part / CONFIG).write_text(yaml.safe_dump(told), encoding="utf-8")
