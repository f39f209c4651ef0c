"""Who replies: the protocol, and the provider that a configuration names."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Protocol

from gesturebench.common.llm.config import LLMConfig
from gesturebench.common.llm.prompt import Question


class Provider(Protocol):
    """Somebody who replies to questions. `model` tells replies apart in the cache: others under another name.
    `is_cached` is false where a reply costs less than a file."""

    model: str
    is_cached: bool

    def reply(self, question: Question) -> str:
        """The text of the reply, as it came."""


_HOMES = {
    "rules": "gesturebench.common.llm.rules:Rules",
    "openai": "gesturebench.common.llm.endpoint:Endpoint",
    "transformers": "gesturebench.common.llm.local_model:LocalModel",
}
"""Imported when first used; each is made from the configuration and loads what it needs with the first question."""


@cache
def provider_of(config: LLMConfig) -> Provider:
    """The provider of a configuration, one per process."""
    module, _, name = _HOMES[config.provider].partition(":")
    made: Callable[[LLMConfig], Provider] = getattr(import_module(module), name)
    return made(config)
