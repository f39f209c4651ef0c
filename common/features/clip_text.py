"""CLIP's text tower: token features of a whole sentence, and its projection beside images.

Legend: N = 77 tokens, D width of the tower, E width of the shared space.
"""

from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch

from gesturebench.common.corpus.clip import Speech
from gesturebench.common.features.pretrained import Pretrained, load_model, load_tokenizer, passport

MAY_MISS = ("text_model.embeddings.position_ids",)


class ClipTextConfig(Pretrained):
    """`output`: `tokens` behind the last layer norm, all positions; `sentence` the projected end-of-text token.

    `padding`: `zero` fills with token 0 as OpenAI's own tokeniser does (the published features of ReMoDiffuse read the
    padding too), `end` with the end-of-text token as `transformers` does. The sentence does not depend on it.
    """

    output: Literal["tokens", "sentence"] = "tokens"
    padding: Literal["zero", "end"] = "zero"


class ClipText:
    """A pretrained CLIP text tower as a feature; loaded when the first row is computed."""

    name, version = "clip_text", 1

    def __init__(self, config: ClipTextConfig, device: str = "cpu"):
        self.config, self.device = config, device

    def passport(self) -> dict[str, Any]:
        """What the numbers depend on."""
        return passport(self.config, self.version)

    def rows(self, speech: Speech) -> np.ndarray:
        """`text` of the words of the speech in a row: (N, D), or (1, E) for the sentence."""
        return self.text(" ".join(word.text for word in speech.words))

    @torch.inference_mode()
    def text(self, sentence: str) -> np.ndarray:
        """(N, D) or (1, E) float32; what exceeds the tower's positions is cut off, the end-of-text token stays."""
        output = self._model(self._token_ids(sentence))
        chosen = output.last_hidden_state[0] if self.config.output == "tokens" else output.text_embeds
        return chosen.float().cpu().numpy()

    def _token_ids(self, sentence: str) -> torch.Tensor:
        length = self._model.config.max_position_embeddings
        ids = self._tokenizer(sentence, truncation=True, max_length=length).input_ids
        fill = 0 if self.config.padding == "zero" else ids[-1]
        return torch.tensor([ids + [fill] * (length - len(ids))], device=self.device)

    @cached_property
    def _model(self) -> Any:
        return load_model(self.config, "CLIPTextModelWithProjection", MAY_MISS).to(self.device)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self.config)
