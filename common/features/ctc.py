"""What a speech recogniser hears, letter by letter: MambaTalk's token channel."""

from functools import cached_property
from typing import Any

import numpy as np
import torch

from gesturebench.common.corpus.clip import Speech
from gesturebench.common.features.pretrained import Pretrained, load_model, passport
from gesturebench.common.features.speech_encoder import MAY_MISS, receptive_field, refuse_short
from gesturebench.common.features.waveform import standardised


class CtcTokens:
    """The most probable token of a connectionist-temporal-classification recogniser, 50 per second.

    Published features used `facebook/wav2vec2-base-960h` (ids 0 to 31, 0 is the blank), once over the whole file.
    """

    name, version = "ctc", 1

    def __init__(self, config: Pretrained, device: str = "cpu"):
        self.config, self.device = config, device

    def passport(self) -> dict[str, Any]:
        """What the numbers depend on."""
        return passport(self.config, self.version)

    @torch.inference_mode()
    def rows(self, speech: Speech) -> np.ndarray:
        """(P, 1) float32 token ids; `waveform.amplitude_tokens_wave` stretches them to samples."""
        refuse_short(speech, receptive_field(self._model.config)[1], self.config.model)
        wave_1S = torch.from_numpy(standardised(speech.audio))[None].to(self.device)
        return self._model(wave_1S).logits[0].argmax(-1, keepdim=True).float().cpu().numpy()

    @cached_property
    def _model(self) -> Any:
        return load_model(self.config, "AutoModelForCTC", MAY_MISS).to(self.device)
