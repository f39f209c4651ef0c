"""The channel of letters: what a recogniser hears, or a stand-in for it, 50 numbers a second.

Recognisers are asked once per training clip, before training; of what is generated, when it is asked for.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gesturebench.common.corpus.audio import legacy_22050
from gesturebench.common.corpus.clip import SAMPLE_RATE, Speech
from gesturebench.common.device import device
from gesturebench.common.features.ctc import CtcTokens
from gesturebench.common.features.pretrained import Pretrained
from gesturebench.common.files import write_npz
from gesturebench.common.fitting import FitContext
from gesturebench.methods.mambatalk.config import SpeechConfig

SPLIT = "train"
FILE = "tokens.npz"
RATE = 50
PIECE = 120 * SAMPLE_RATE
"""Samples that a recogniser hears at once: its memory grows with their square. Clips of BEAT2 are shorter, so that they
are heard whole, as published."""

PHONES = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH", "K",
    "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
"""Of the aligner, without the digit of the stress; a phone's number is its place here plus one, 0 is silence."""


def tokens_of(speech: Speech, config: SpeechConfig) -> np.ndarray:
    """(P,) float32 of a speech."""
    if config.tokens == "recogniser":
        return recognised(speech, _recogniser(config.recogniser))
    count = max(1, len(speech.audio) * RATE // SAMPLE_RATE)
    return phone_tokens(speech, count) if config.tokens == "phones" else np.zeros(count, np.float32)


def phone_tokens(speech: Speech, count: int) -> np.ndarray:
    """(count,) float32: the number of the aligned phone in the middle of each piece of 20 ms."""
    tokens = np.zeros(count, np.float32)
    for phone in speech.phones:
        first, stop = (int(np.ceil(t * RATE - 0.5)) for t in (phone.start_s, phone.end_s))
        tokens[max(first, 0) : max(stop, 0)] = _number(phone.text)
    return tokens


def _number(phone: str) -> int:
    name = phone.rstrip("012").upper()
    return PHONES.index(name) + 1 if name in PHONES else 0


def recognised(speech: Speech, recogniser: CtcTokens, piece: int = PIECE) -> np.ndarray:
    """(P,) float32 letters of a recogniser, in pieces of equal length where the speech is longer than `piece`
    samples."""
    pieces = np.array_split(speech.audio, -(-len(speech.audio) // piece))
    heard = (Speech(speech.clip_id, samples, speech.speaker) for samples in pieces)
    return np.concatenate([recogniser.rows(part)[:, 0] for part in heard])


def heard_audio(speech: Speech, config: SpeechConfig) -> np.ndarray:
    """The samples as they are, or after the published detour, which is of the recording and not of what is left of
    it."""
    if config.resampling == "once":
        return speech.audio
    return legacy_22050(np.concatenate([speech.audio, speech.tail]))[: len(speech.audio)]


@cache
def _recogniser(source: Pretrained) -> CtcTokens:
    return CtcTokens(source, str(device()))


def fit_tokens(values: Mapping[str, Any], context: FitContext) -> None:
    """Letters of every training clip; `context.place` says where the recogniser lies."""
    recogniser = CtcTokens(Pretrained.parse(dict(context.place["recogniser"]), "recogniser"), str(device()))
    clips, found = context.store.split(SPLIT), {}
    for done, clip_id in enumerate(clips, start=1):
        found[clip_id] = _kept(context.work / "tokens" / f"{clip_id}.npz", context, clip_id, recogniser)
        context.progress(done, len(clips))
    write_npz(context.out / FILE, **found)


def _kept(path: Path, context: FitContext, clip_id: str, recogniser: CtcTokens) -> np.ndarray:
    """A clip's letters, from the run before if that was interrupted."""
    if not path.exists():
        write_npz(path, tokens=recognised(context.store.speech(clip_id), recogniser).astype(np.int16))
    with np.load(path) as arrays:
        return arrays["tokens"]


def read_tokens(folder: Path) -> dict[str, np.ndarray]:
    """What `fit_tokens` wrote, by clip."""
    with np.load(folder / FILE) as arrays:
        return {clip_id: arrays[clip_id].astype(np.float32) for clip_id in arrays}
