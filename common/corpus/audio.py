"""Speech waves: whatever the file holds, 16 kHz mono float32 comes out, or an error that says what is wrong with it."""

from dataclasses import dataclass
from math import ceil, gcd
from pathlib import Path
from typing import Literal

import numpy as np

from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.errors import InputError, unknown_name

Resampling = Literal["once", "legacy_22050"]
"""`once`: other rates are resampled to 16 kHz, 16 kHz files are taken as they are. `legacy_22050`: everything goes to
22 050 Hz and from there to 16 kHz, as in the released loaders of EMAGE, MambaTalk and RAG-Gesture; this changes the
samples and may lengthen the wave by one."""
LEGACY_RATE = 22_050

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
        raise _unreadable(path, error) from error
    _refuse_truncated(path)
    if info.frames == 0:
        raise InputError(f"{path}: the recording has no samples", expected="at least one", remedy=_REMEDY)
    return WaveHeader(info.frames, info.samplerate, info.channels, info.subtype)


def read_audio(path: Path, resampling: Resampling = "once") -> np.ndarray:
    """(S,) float32 at 16 kHz: channels averaged, other rates resampled once by a polyphase filter.

    n samples at another rate become ceil(n 16000 / rate).
    """
    if resampling not in ("once", "legacy_22050"):
        raise unknown_name("resampling", resampling, ("once", "legacy_22050"))
    mono, rate = _read_mono(path)
    if resampling == "legacy_22050":
        return legacy_22050(mono, rate)
    return mono if rate == SAMPLE_RATE else _resampled(mono, rate)


def resampled_length(header: WaveHeader) -> int:
    """Samples that `read_audio` makes of a file."""
    return ceil(header.n_samples * SAMPLE_RATE / header.rate)


def legacy_22050(mono: np.ndarray, rate: int = SAMPLE_RATE) -> np.ndarray:
    """(S,) float32 at `rate` -> 22 050 Hz -> 16 kHz, both steps by soxr in high quality: the released loaders' wave.

    Feed it the whole recording (a speech with its tail). A step makes ceil(n new / old) samples of n; missing ones
    are zero. 116 000 samples come back as 116 001.
    """
    return _soxr(_soxr(np.asarray(mono, np.float32), rate, LEGACY_RATE), LEGACY_RATE, SAMPLE_RATE)


def _soxr(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    try:
        import soxr
    except ImportError as error:
        raise InputError(
            "the resampling legacy_22050 needs the package soxr",
            remedy="pip install soxr, or choose the resampling once",
        ) from error
    if rate == target:
        return samples
    n = ceil(len(samples) * target / rate)
    made = soxr.resample(samples, rate, target, quality="HQ")[:n]
    return np.pad(made, (0, n - len(made)))


def _read_mono(path: Path) -> tuple[np.ndarray, int]:
    import soundfile

    header = read_header(path)
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from error
    mono = samples[:, 0] if header.channels == 1 else samples.mean(axis=1)
    if not np.isfinite(mono).all():
        first = int(np.flatnonzero(~np.isfinite(mono))[0])
        raise InputError(f"{path}: sample {first} is {mono[first]}", expected="finite numbers", remedy=_REMEDY)
    return mono, rate


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: not a readable sound file ({error})", expected="a wav file", remedy=_REMEDY)


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
