"""Which frozen encoder reads a sentence. Imports nothing heavy."""

from typing import Literal

from pydantic import Field

from gesturebench.common.config import Config
from gesturebench.common.features.pretrained import Pretrained


class SentenceConfig(Config):
    """`words` needs no model: hashed word vectors as tokens, their mean as the sentence. `bert` a masked language
    model's tokens and their mean, `clip` CLIP's text tower with its padding and its projected end-of-text token.

    `tokens`: rows of a sentence at most, what is longer is cut off; `clip` always has all of its own.
    """

    encoder: Literal["words", "bert", "clip"] = "words"
    model: Pretrained | None = None
    tokens: int = Field(77, ge=1)
