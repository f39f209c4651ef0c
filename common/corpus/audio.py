"""Speech waves: whatever the file holds, 16 kHz mono float32 comes out, or an error that says what is wrong with it."""

from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np

from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.errors import InputError

_REMEDY = "re-export the recording as a 16 kHz mono PCM wav"


@dataclass(frozen=True, slots=True)
class WaveHeader:
    """What the header of a wave file says: samples per channel, sampling rate in Hz, channels, sample format."""

    n_samples: int
    rate: int
    channels: int
    subtype: str

    @property
    def is_plain(self) -> bool:
        """Whether the samples are 16 kHz mono PCM16, so that int16 holds them without loss."""
        return (self.rate, self.channels, self.subtype) == (SAMPLE_RATE, 1, "PCM_16")


def read_header(path: Path) -> WaveHeader:
    """The header of a sound file; one that is missing, broken, empty or cut short is an `InputError`."""
    import soundfile

    if not path.is_file():
        raise InputError(f"{path}: no such sound file", remedy="copy the recording there or leave the clip out")
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise InputError(
            f"{path}: not a readable sound file ({error.error_string})", expected="a wav file", remedy=_REMEDY
        ) from error
    _refuse_truncated(path)
    if info.frames == 0:
        raise InputError(f"{path}: the recording has no samples", expected="at least one", remedy=_REMEDY)
    return WaveHeader(info.frames, info.samplerate, info.channels, info.subtype)


def read_audio(path: Path) -> np.ndarray:
    """(S,) float32 at 16 kHz: channels averaged, other rates resampled once by a polyphase filter.

    n samples at another rate become ceil(n 16000 / rate).
    """
    import soundfile

    header = read_header(path)
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples[:, 0] if header.channels == 1 else samples.mean(axis=1)
    if not np.isfinite(mono).all():
        first = int(np.flatnonzero(~np.isfinite(mono))[0])
        raise InputError(f"{path}: sample {first} is {mono[first]}", expected="finite numbers", remedy=_REMEDY)
    return mono if rate == SAMPLE_RATE else _resampled(mono, rate)


def _resampled(mono: np.ndarray, rate: int) -> np.ndarray:
    from scipy.signal import resample_poly

    common = gcd(SAMPLE_RATE, rate)
    return resample_poly(mono, SAMPLE_RATE // common, rate // common).astype(np.float32)


def _refuse_truncated(path: Path) -> None:
    """A RIFF header announces its length; decoders read a shorter file in silence, we do not."""
    with open(path, "rb") as file:
        head = file.read(8)
    announced, there = int.from_bytes(head[4:8], "little") + 8, path.stat().st_size
    if head[:4] == b"RIFF" and 8 < announced < 1 << 32 and there < announced:
        raise InputError(
            f"{path}: truncated after {there} bytes",
            expected=f"{announced} bytes",
            remedy="copy or download the file again",
        )
