"""Who says what when: aligned words as they are, or as Whisper hears them."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from gesturebench.common.corpus.clip import SAMPLE_RATE, Speech, Word
from gesturebench.common.device import device
from gesturebench.common.errors import InputError
from gesturebench.common.features.pretrained import Pretrained, load_model, load_tokenizer
from gesturebench.methods.exges.retrieval.config import WordsConfig

MARKS = " .,;:!?\"'()[]<>-…“”‘’"


def spoken_words(speech: Speech, config: WordsConfig) -> list[Word]:
    """The words of a speech in the order of time, cleaned."""
    heard = speech.words if config.source == "textgrid" else heard_words(speech, config.whisper)
    return cleaned(heard, config.shortest_s)


def cleaned(words: Sequence[Word], shortest_s: float) -> list[Word]:
    """Lower case, without marks around them and without empty labels; of two words that overlap, each gets half of
    what they share; what is then shorter than `shortest_s` is left out.

    >>> said = [Word("Well,", 0.0, 0.5), Word("", 0.5, 0.6), Word("I", 0.4, 0.7), Word("--", 0.8, 0.9)]
    >>> cleaned(said, 0.02)
    [Word(text='well', start_s=0.0, end_s=0.45), Word(text='i', start_s=0.45, end_s=0.7)]
    """
    named = [Word(word.text.strip(MARKS).lower(), word.start_s, word.end_s) for word in words]
    told = sorted((word for word in named if word.text), key=lambda word: (word.start_s, word.end_s))
    apart: list[Word] = []
    for word in told:
        if apart and apart[-1].end_s > word.start_s:
            last = apart.pop()
            start_s = max(last.start_s, word.start_s)  # the last one may have been moved behind this one's start
            end_s = max(start_s, word.end_s)
            middle_s = (start_s + min(last.end_s, end_s)) / 2
            apart.append(Word(last.text, last.start_s, middle_s))
            word = Word(word.text, middle_s, end_s)
        apart.append(word)
    return [word for word in apart if word.end_s - word.start_s >= shortest_s]


def heard_words(speech: Speech, source: Pretrained) -> list[Word]:
    """What a Whisper model hears, with times from its attention to the sound (its `alignment_heads`)."""
    if not len(speech.audio):
        return []
    audio = {"raw": np.asarray(speech.audio, np.float32), "sampling_rate": SAMPLE_RATE}
    found = _recogniser(source, str(device()))(audio, return_timestamps="word")
    timed = [(chunk["text"], *chunk["timestamp"]) for chunk in found["chunks"]]
    end_s = speech.duration_s  # of a word that is cut off
    return [
        Word(text, float(start), min(end_s, float(end if end is not None else end_s)))
        for text, start, end in timed
        if start is not None and start < end_s
    ]


@cache
def _recogniser(source: Pretrained, device: str) -> Any:
    """One per model and device in a process."""
    model = load_model(source, "WhisperForConditionalGeneration", ("proj_out",))
    if not getattr(model.generation_config, "alignment_heads", None):
        raise InputError(
            f"{source.model}: this Whisper model has no alignment heads, so its words have no times",
            expected="a generation_config.json with alignment_heads",
            remedy="take openai/whisper-base or a relative as it was published, or words.source=textgrid",
        )
    from transformers import WhisperFeatureExtractor, pipeline

    ears = WhisperFeatureExtractor(feature_size=model.config.num_mel_bins)
    return pipeline(
        "automatic-speech-recognition",
        model=model,
        tokenizer=load_tokenizer(source),
        feature_extractor=ears,
        device=device,
    )
