"""Configuration of the words a language model finds. Imports nothing heavy."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from gesturebench.common.config import Config

PUBLISHED_MODEL = "gpt-4o-mini"
"""What RAG-Gesture asked, and what an endpoint is asked for where `model` is not set."""


class LLMConfig(Config):
    """Who is asked which words of a text deserve a gesture, and how the reply is read.

    `provider`: `rules` (closed lists of our own, no model, nothing to install), `openai` (an HTTP endpoint that speaks
    OpenAI's chat protocol), `transformers` (a chat model on this machine: `model` is a folder or a name on the hub).
    """

    provider: Literal["rules", "openai", "transformers"] = "rules"
    model: str | None = Field(None, validate_default=True)
    revision: str | None = None
    """Branch, tag or commit of a model on the hub."""
    url: str | None = None
    """Base of the endpoint, such as `http://localhost:8000/v1`; default: $OPENAI_BASE_URL, else OpenAI's."""
    timeout_s: float = Field(60.0, gt=0)
    tries: int = Field(4, ge=1)
    """How often a request is sent that is answered by nobody, too late, or with 408, 409, 429 or 5xx."""
    prompt: Literal["words-1"] = "words-1"
    """Name and version of the question, see `prompt.py`."""
    words: int = Field(2, ge=1)
    """How many words are asked for."""
    temperature: float | None = Field(0.0, ge=0)
    seed: int | None = 0
    max_tokens: int | None = Field(256, ge=1)
    """Of a reply. None of these three is sent when it is null: some endpoints refuse one or the other."""
    reading: Literal["tolerant", "released"] = "tolerant"
    """How pairs are found in a reply, see `parsing.py`."""
    walk: Literal["whole", "released"] = "whole"
    """How words are found in timed text, see `locating.py`."""
    repeats: int = Field(1, ge=0)
    """How often the question is asked again after a reply that cannot be read."""
    unreadable: Literal["none", "error"] = "none"
    """What follows when the last one cannot be read either: no words for this text, or the end of the run."""

    @field_validator("model")
    @classmethod
    def _named(cls, model: str | None, info: ValidationInfo) -> str | None:
        if not model and info.data.get("provider") == "transformers":
            raise ValueError(
                "the folder of a chat model, or its name on the hub (provider transformers has no default)"
            )
        return model
