"""Windows of 10 s through encoders at toy size: together against one by one, and what we add to the model's own time.

The published encoders take 100 to 1000 times as long; what is measured here is all that is not theirs.
"""

import time

import numpy as np
import pytest
import torch

from gesturebench.common.corpus.clip import Word
from gesturebench.common.features.pretrained import Pretrained
from gesturebench.common.features.window_config import WindowEncoding
from gesturebench.common.features.window_encoder import WindowEncoder
from tests.encoders import write_bert, write_wav2vec2

pytest.importorskip("transformers")
WINDOWS, WORDS = 32, 25


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> WindowEncoder:
    folder = tmp_path_factory.mktemp("models")
    bert, wav2vec2 = write_bert(folder / "bert", positions=256), write_wav2vec2(folder / "wav2vec2")
    return WindowEncoder(WindowEncoding(text=Pretrained(model=str(bert)), audio=Pretrained(model=str(wav2vec2))))


@pytest.fixture(scope="module")
def sentences() -> list[tuple[Word, ...]]:
    rng = np.random.default_rng(0)
    words = ["so", "the", "harbour", "went", "climbing", "myself", "because", "high,"]
    drawn = (rng.choice(words, WORDS - k % 8) for k in range(WINDOWS))
    return [tuple(Word(str(text), 0.3 * k, 0.3 * k + 0.3) for k, text in enumerate(said)) for said in drawn]


def test_texts_together(encoder, sentences, versus, benchmark):
    versus(lambda: encoder.texts(sentences), lambda: [encoder.texts([words]) for words in sentences])
    ids = [encoder.reader.spelt([word.text for word in words])[0] for words in sentences]
    ids.sort(key=len)
    told(benchmark, lambda: encoder.texts(sentences), lambda: encoder.reader._hidden(ids))


def test_waves_together(encoder, versus, benchmark):
    waves = np.random.default_rng(0).normal(size=(WINDOWS, 160_000)).astype(np.float32)
    versus(lambda: encoder.audios(waves), lambda: [encoder.audios(wave[None]) for wave in waves], rounds=2)
    batches = torch.from_numpy(waves).split(16)

    @torch.inference_mode()
    def model() -> None:
        for batch in batches:
            encoder.listener._model(batch)

    told(benchmark, lambda: encoder.audios(waves), model)


def told(benchmark, whole, model) -> None:
    """Windows per second of one core, and what comes on top of the model; processor time, not that of the wall."""
    whole_s, model_s = cpu_seconds(whole), cpu_seconds(model)
    benchmark.extra_info["windows_per_cpu_s"] = WINDOWS / whole_s
    benchmark.extra_info["overhead_percent"] = 100 * (whole_s / model_s - 1)


def cpu_seconds(function) -> float:
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        function()
        best = min(best, time.process_time() - start)
    return best
