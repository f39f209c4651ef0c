"""Which pretrained encoders read a window of speech, and how. Imports nothing heavy."""

from typing import Literal

from gesturebench.common.config import Config
from gesturebench.common.features.pretrained import Pretrained

BERT = Pretrained(model="google-bert/bert-base-cased", revision="cd5ef92a9fb2f889e972770a36d4ed042daf221e")
WAVLM = Pretrained(model="microsoft/wavlm-large", revision="c1423ed94bb01d80a3f5ce5bc39f6026a0f4828c")
WAV2VEC2 = Pretrained(model="facebook/wav2vec2-base-960h", revision="22aad52d435eb6dbaf354bdad9b0da84ce7d6156")
"""The models of RAG-Gesture at the commits that are meant: a commit says what a model is before it is on the disk."""

Granularity = Literal["window", "clip"]
"""`window`: each window is read and heard by itself, as published. `clip`: a clip is encoded once, its audio in pieces
of 30 s, and windows are cut out of that: a tenth of the encoding and of the disk, but what stands in a window then
knows what came before and comes after it."""

TextSource = Literal["tokens", "words"]
"""`tokens`: the words and punctuation marks that the discourse parser read, as published; where a speech has none, its
`words`, which are the aligned ones."""


EmptyText = Literal["kept", "skipped", "released"]
"""What becomes of windows in which nothing is said. `skipped`: they are left out. `released`: so are all others of
their clip, as in the released loader, which returns from the whole file; this changes what is trained and tested on."""


Resampling = Literal["once", "legacy_22050"]
"""Of audio, see `common/corpus/audio.py`."""

RATE, FPS = 30, 15
"""Frames per second of windows, and rows per second of the text condition as published."""


class WindowEncoding(Config):
    """Encoders by what they read; None where the condition is no encoder's.

    `resampling` `legacy_22050` is the released detour of the audio over 22 050 Hz. `stored` is the type of the files;
    float16 is off by 5e-4 of a value at most.
    """

    text: Pretrained | None = None
    audio: Pretrained | None = None
    granularity: Granularity = "window"
    source: TextSource = "tokens"
    resampling: Resampling = "once"
    stored: Literal["float16", "float32"] = "float16"
