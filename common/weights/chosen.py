"""Imported weights as a setting of a method. Imports nothing heavy."""

from pathlib import Path
from typing import Annotated

from pydantic import PlainSerializer

from gesturebench.common.weights.passport import Passport


def by_content(weights: str | None) -> str | None:
    """How a run knows weights: by the hash of their passport, wherever the folder lies."""
    if weights is None or weights.startswith("sha256:"):
        return weights
    return f"sha256:{Passport.read(Path(weights).expanduser()).sha256}"


WeightsFolder = Annotated[str | None, PlainSerializer(by_content, when_used="json")]
"""Folder of imported weights (docs/weights.md), which take the place of training; None: the method is trained."""
