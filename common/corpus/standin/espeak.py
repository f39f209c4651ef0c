"""The espeak-ng engine through ctypes: text in, samples and timed events out, bit-identical for equal input.

Two facts shape this file. The engine is not deterministic within a process (repeated calls differ, also after
re-seeding), but a fresh private copy of the shared library is: so every `Engine` copies the library file, loads the
copy and unloads it afterwards. And word events are merged for some word pairs ("in the"), which `speech.py` repairs.

espeak-ng is licensed GPL-3.0-or-later; it is called at run time from an optional extra and never part of this package.
"""

import _ctypes
import ctypes
import ctypes.util
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from gesturebench.common.errors import InputError

ENGINE_RATE = 22_050
_SYNCHRONOUS, _PHONEME_EVENTS, _DONT_EXIT = 2, 0x0001, 0x8000
_RATE, _PITCH, _RANGE = 1, 3, 4
_CHARS_UTF8 = 1
_EVENT_WORD, _EVENT_PHONEME = 1, 7


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int), ("sample", ctypes.c_int), ("user_data", ctypes.c_void_p), ("id", _EventId),
    ]  # fmt: skip


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True, slots=True)
class Event:
    """A word (`phone` empty) or phone event: character position in the text (from 0) and sample index at 22,050 Hz."""

    position: int
    sample: int
    phone: str


@dataclass(frozen=True, slots=True)
class Library:
    """Where the engine is: shared library, data folder (None: the library's own default), origin."""

    path: Path
    data: Path | None
    source: str


def find_library() -> Library:
    """The engine of the package `espeakng_loader`, else the system's; an `InputError` if there is neither."""
    try:
        import espeakng_loader
    except ImportError:
        return _system_library()
    return Library(Path(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path()), "espeakng-loader")


def _system_library() -> Library:
    name = ctypes.util.find_library("espeak-ng")
    path = _resolved(name) if name else None
    if path is None:
        raise InputError(
            "no speech synthesiser: neither the package espeakng_loader nor a system libespeak-ng was found",
            remedy='pip install "gesturebench[standin]"',
        )
    return Library(path, None, "system")


def _resolved(name: str) -> Path | None:
    """The file behind a library name such as `libespeak-ng.so.1`: a copy needs more than the name."""
    if Path(name).is_absolute():
        return Path(name)
    try:
        ctypes.CDLL(name)
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return None
    return next((Path(m[0]) for line in lines if (m := re.search(r"/\S*libespeak-ng\S*$", line))), None)


class Engine:
    """One private copy of the engine with one voice; a context manager.

    >>> with Engine(find_library(), "en-us", seed=1) as engine:  # doctest: +SKIP
    ...     samples, events = engine.synthesise("Hello there.")
    """

    def __init__(
        self, library: Library, voice: str, *, seed: int = 0, rate: int = 175, pitch: int = 50, pitch_range: int = 50
    ):
        self._folder = tempfile.TemporaryDirectory(prefix="gesturebench-voice-")
        copy = Path(self._folder.name) / library.path.name
        shutil.copyfile(library.path, copy)
        self._engine = ctypes.CDLL(str(copy))
        data = os.fsencode(library.data) if library.data else None
        if self._engine.espeak_Initialize(_SYNCHRONOUS, 0, data, _PHONEME_EVENTS | _DONT_EXIT) != ENGINE_RATE:
            raise InputError(
                f"{library.path}: the speech engine does not start", remedy='pip install "gesturebench[standin]"'
            )
        self._engine.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._engine.espeak_Info.restype = ctypes.c_char_p
        self._engine.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        self._engine.espeak_ng_SetRandSeed(seed % 2**31)
        if self._engine.espeak_SetVoiceByName(voice.encode()) != 0:
            raise InputError(f"{library.path}: no voice {voice!r}", remedy='pip install "gesturebench[standin]"')
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
            self._engine.espeak_SetParameter(parameter, int(value), 0)
        self._chunks: list[np.ndarray] = []
        self._events: list[Event] = []
        self._callback = _Callback(self._receive)  # kept alive: the engine holds only the address
        self._engine.espeak_SetSynthCallback(self._callback)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._engine.espeak_Terminate()
        if hasattr(_ctypes, "dlclose"):
            _ctypes.dlclose(self._engine._handle)
        else:
            _ctypes.FreeLibrary(self._engine._handle)
        self._folder.cleanup()

    @property
    def version(self) -> str:
        return self._engine.espeak_Info(None).decode().split()[0]

    def synthesise(self, text: str) -> tuple[np.ndarray, list[Event]]:
        """Samples (n,) int16 at 22,050 Hz, and the word and phone events in order."""
        self._chunks, self._events = [], []
        raw = text.encode()
        if self._engine.espeak_Synth(raw, len(raw) + 1, 0, 1, 0, _CHARS_UTF8, None, None) != 0:
            raise InputError(f"the speech engine refused the text {text!r}")
        return np.concatenate(self._chunks), self._events

    def phone_count(self, word: str) -> int:
        """Phones of the word when it is said alone."""
        text = ctypes.c_char_p(word.encode())
        separated = self._engine.espeak_TextToPhonemes(ctypes.byref(text), _CHARS_UTF8, ord("_") << 8)
        return max(1, len([p for p in separated.decode().strip().split("_") if p]))

    def _receive(self, wave, count: int, events) -> int:
        if count > 0:
            self._chunks.append(np.ctypeslib.as_array(wave, (count,)).copy())
        i = 0
        while events[i].type:
            event = events[i]
            if event.type in (_EVENT_WORD, _EVENT_PHONEME):
                phone = event.id.string.decode(errors="replace") if event.type == _EVENT_PHONEME else ""
                self._events.append(Event(event.text_position - 1, event.sample, phone))
            i += 1
        return 0
