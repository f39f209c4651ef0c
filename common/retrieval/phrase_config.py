"""How speech is cut into phrases. Imports nothing heavy."""

from pydantic import Field

from gesturebench.common.config import Config


class PhraseConfig(Config):
    """A run of words with pauses below `gap_s`, cut where it lasts longer than `longest_s`, and joined with a neighbour
    where it is shorter than `shortest_s` (remodiffuse, 12.3)."""

    gap_s: float = Field(0.3, gt=0)
    longest_s: float = Field(6.0, gt=0)
    shortest_s: float = Field(1.0, ge=0)
