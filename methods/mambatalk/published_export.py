"""Imported weights written in the published layout: the inverse of `published_folder.read`."""

from pathlib import Path

import torch

from gesturebench.common.weights.artifact import new_folder, read_part
from gesturebench.common.weights.pickles import WRAPPER
from gesturebench.methods.imported import passport_of
from gesturebench.methods.mambatalk.components import NETWORK
from gesturebench.methods.mambatalk.published_folder import CHECKPOINT, METHOD, PRIOR_FILES, PRIORS, STATE


def write(folder: Path, out: Path) -> None:
    """Imported weights in the published layout; reading that gives equal tensors and sizes."""
    passport_of(str(folder), METHOD)
    files = {NETWORK: CHECKPOINT, **{name: f"{PRIORS}/{file}" for name, file in PRIOR_FILES.items()}}
    with new_folder(out) as part:
        (part / PRIORS).mkdir()
        for name, file in files.items():
            state = {f"{WRAPPER}{key}": tensor for key, tensor in read_part(folder, name).items()}
            torch.save({STATE: state}, part / file)
