"""Features that are dear to compute, once per clip on disk: interrupted runs go on, damaged files are made anew.

Layout: <folder>/<feature>-<key>/<clip id>-<content>.npz with the array `rows`, and `passport.json` that says what the
key stands for. The key covers the model, its revision or the content of its files, all settings and the version of the
code; the content covers audio and words, so that a window of a clip never gets the rows of the clip.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from gesturebench.common.corpus.clip import Speech
from gesturebench.common.errors import InputError
from gesturebench.common.files import sha256_json, write_json, write_npz
from gesturebench.common.progress import Progress, silent


class Keyed(Protocol):
    """Something whose rows depend on pretrained weights."""

    name: ClassVar[str]

    def passport(self) -> dict[str, Any]:
        """What its rows depend on, as JSON."""


class EncoderFeature(Keyed, Protocol):
    """A feature of a whole speech."""

    def rows(self, speech: Speech) -> np.ndarray:
        """(frames, dim) float32."""


class FeatureCache:
    """The rows of features by clip. `dtype` is that of the files; float16 halves them, at a relative error of 5e-4."""

    def __init__(self, folder: Path, dtype: Literal["float32", "float16"] = "float32"):
        self.folder, self.dtype = Path(folder), dtype
        self._homes: dict[int, tuple[Keyed, Path]] = {}

    def get(self, feature: EncoderFeature, speech: Speech) -> np.ndarray:
        """(frames, dim) float32 from the cache, computed and stored if they are not there or cannot be read."""
        return self.rows(feature, _name(speech), lambda: feature.rows(speech), speech.clip_id)

    def rows(self, feature: Keyed, name: str, compute: Callable[[], np.ndarray], of: str) -> np.ndarray:
        """float32 rows under a name that says which they are, computed if they are not there; errors speak `of` it."""
        path = self._home(feature) / f"{name}.npz"
        rows = _read(path)
        if rows is None:
            rows = _checked(compute(), feature, of).astype(self.dtype)
            write_npz(path, rows=rows)
        return rows.astype(np.float32)

    def fill(self, feature: EncoderFeature, speeches: Iterable[Speech], total: int, progress: Progress = silent) -> int:
        """Compute what is missing of `total` speeches; returns how many were."""
        computed = 0
        for done, speech in enumerate(speeches, start=1):
            if _read(self.path(feature, speech)) is None:
                self.get(feature, speech)
                computed += 1
            progress(done, total)
        return computed

    def path(self, feature: EncoderFeature, speech: Speech) -> Path:
        """Where the rows of a speech lie, or will."""
        return self._home(feature) / f"{_name(speech)}.npz"

    def _home(self, feature: Keyed) -> Path:
        """The folder of a feature; its passport is read once, weights do not change under a loaded model."""
        if id(feature) not in self._homes:
            passport = {"feature": feature.name, "dtype": self.dtype, **feature.passport()}
            home = self.folder / f"{feature.name}-{sha256_json(passport)[:16]}"
            if not (home / "passport.json").exists():
                write_json(home / "passport.json", passport)
            self._homes[id(feature)] = (feature, home)
        return self._homes[id(feature)][1]


def _name(speech: Speech) -> str:
    return f"{speech.clip_id}-{content_hash(speech)[:12]}"


def content_hash(speech: Speech) -> str:
    """Hexadecimal digest of the audio, the timed words, the transcript and the tokens."""
    digest = hashlib.sha256(np.ascontiguousarray(speech.audio, np.float32))
    for words in (speech.words, speech.transcript, speech.tokens):
        digest.update(repr([(word.text, float(word.start_s), float(word.end_s)) for word in words]).encode())
    return digest.hexdigest()


def _read(path: Path) -> np.ndarray | None:
    """The rows of a file, None if it is missing or damaged (npz archives carry check sums)."""
    try:
        with np.load(path) as arrays:
            return arrays["rows"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def _checked(rows: np.ndarray, feature: Keyed, of: str) -> np.ndarray:
    if not np.isfinite(rows).all():
        raise InputError(
            f"feature {feature.name} of {of}: {(~np.isfinite(rows)).sum()} values are not finite",
            expected="finite numbers",
            remedy="check the audio and the weights of the encoder",
        )
    return rows
