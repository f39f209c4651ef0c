"""Token features of windows, by which retrieval tells how alike two texts are."""

from collections.abc import Sequence

import numpy as np

from gesturebench.common.corpus.clip import Speech
from gesturebench.common.corpus.windows import Window
from gesturebench.common.features.window_config import RATE, WindowEncoding
from gesturebench.common.features.window_encoder import window_encoder
from gesturebench.common.features.window_text import hashed_rows, spoken, window_words


def text_rows(
    speech: Speech,
    windows: Sequence[Window],
    feature: str = "words",
    encoding: WindowEncoding | None = None,
    device: str = "cpu",
) -> list[np.ndarray]:
    """(n, D) float32 for each window of a speech. `words`: the hashed vector of each aligned word. Else the tokens of
    the window's sentence as the `encoding`'s language model reads it, special tokens included (RAG-Gesture).
    """
    if feature == "words" or encoding is None or encoding.text is None:
        return [hashed_rows([word.text for word in _said(speech, window)]) for window in windows]
    words = spoken(speech, encoding.source)
    sentences = [window_words(words, *_seconds(window)) for window in windows]
    return [text.tokens for text in window_encoder(encoding, device).texts(sentences)]


def _said(speech: Speech, window: Window) -> list:
    start_s, end_s = _seconds(window)
    return [word for word in speech.words if word.start_s >= start_s and word.end_s <= end_s]


def _seconds(window: Window) -> tuple[float, float]:
    return window.start / RATE, (window.start + window.length) / RATE
