"""A chat model on this machine, through `transformers` (the extra `encoders`), loaded with the first question."""

from functools import cached_property
from pathlib import Path
from typing import Any

from gesturebench.common.errors import InputError
from gesturebench.common.features.pretrained import Pretrained, identity, load_model, load_tokenizer
from gesturebench.common.llm.config import LLMConfig
from gesturebench.common.llm.prompt import Message, Question

LONGEST_REPLY = 256
"""Tokens, where `max_tokens` is null."""


class LocalModel:
    """A causal language model with a chat template. It replies with the likeliest tokens; with a temperature above 0 it
    draws them, from `config.seed` anew for every question, so that a reply depends on the question alone."""

    is_cached = True

    def __init__(self, config: LLMConfig):
        self.config = config
        self._source = Pretrained(model=config.model, revision=config.revision)

    @cached_property
    def model(self) -> str:
        """A folder is known by the content of its files, so that replies serve wherever the same weights lie; a name
        on the hub by itself and its revision, so that they serve where it was never downloaded."""
        if Path(self._source.model).expanduser().is_dir():
            return identity(self._source)
        return f"{self._source.model}@{self._source.revision or 'main'}"

    def reply(self, question: Question) -> str:
        import torch

        tokens = self._tokens(question.messages)
        limit, asked = self.config.max_tokens or LONGEST_REPLY, tokens["input_ids"].shape[1]
        longest = getattr(self._network.config, "max_position_embeddings", None)
        if longest and asked + limit > longest:
            raise InputError(
                f"{self.config.model}: a question of {asked} tokens and a reply of up to {limit}",
                expected=f"at most {longest} together",
                remedy="lower `max_tokens`, or choose a model with a longer context",
            )
        on_gpu = [self._network.device] if self._network.device.type == "cuda" else []
        with torch.inference_mode(), torch.random.fork_rng(devices=on_gpu):
            torch.manual_seed(self.config.seed or 0)
            written = self._network.generate(**tokens, max_new_tokens=limit, **self._sampling())
        return self._tokenizer.decode(written[0, asked:], skip_special_tokens=True)

    def _sampling(self) -> dict[str, Any]:
        end = self._tokenizer.pad_token_id
        padding = {"pad_token_id": self._tokenizer.eos_token_id if end is None else end}
        if not self.config.temperature:
            return {**padding, "do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        return {**padding, "do_sample": True, "temperature": self.config.temperature, "top_p": 1.0, "top_k": 0}

    def _tokens(self, messages: list[Message]) -> Any:
        """The conversation in the model's own form, on its device."""
        from jinja2 import TemplateError

        if not self._tokenizer.chat_template:
            raise InputError(
                f"{self.config.model}: its tokenizer has no chat template",
                expected="a model that was taught to converse",
                remedy="choose its instruct or chat version",
            )
        try:
            tokens = self._templated(messages)
        except TemplateError:  # some models know no system role: there the instructions open the first message
            system, user, *rest = messages
            first = {"role": "user", "content": f"{system['content']}\n\n{user['content']}"}
            tokens = self._templated([first, *rest])
        return tokens.to(self._network.device)

    def _templated(self, messages: list[Message]) -> Any:
        return self._tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )

    @cached_property
    def _network(self) -> Any:
        from gesturebench.common.device import device

        return load_model(self._source, "AutoModelForCausalLM", dtype="auto").to(device())

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._source)
