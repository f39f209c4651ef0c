"""The identity of a data folder: what its files hold, not where they lie or when they were copied."""

import contextlib
from pathlib import Path

from gesturebench.common.corpus.beat2 import MANIFEST, Beat2Folder, body_model_path
from gesturebench.common.corpus.splits import SPLIT_TABLE
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, sha256_file, sha256_json, write_json

MEAN_SPEED = "weights/mean_vel_smplxflame_30.npy"
FGD_WEIGHTS = "weights/AESKConv_240_100.bin"
VOCABULARY = "weights/vocab.pkl"
WORD_LIST = "weights/vocab.json"
CARRIED = (FGD_WEIGHTS, VOCABULARY, WORD_LIST)
"""Files of the corpus that a clip store carries along as they are."""


def fingerprint(root: Path, *, body: Path | None = None, cache: Path | None = None) -> str:
    """sha256 over the sorted (relative path, content sha256) of every file that `build_store` reads.

    The body model counts by content alone. `cache` is a JSON file that remembers hashes by path, size and change time.
    """
    folder = Beat2Folder(root)
    model = body_model_path(folder.root, body)
    named = {str(path.relative_to(folder.root)): path for path in _files(folder)}
    if model.exists():
        named["body model"] = model
    known = _remembered(cache) if cache else {}
    keys = {name: _key(path) for name, path in named.items()}
    hashes = {keys[name]: known.get(keys[name]) or sha256_file(path) for name, path in named.items()}
    if cache and not hashes.items() <= known.items():
        with contextlib.suppress(InputError):  # on a store that is only read, files are hashed again every time
            write_json(cache, known | hashes)
    return sha256_json(sorted((name, hashes[key]) for name, key in keys.items()))


def _remembered(cache: Path) -> dict[str, str]:
    """Nothing where there is no cache, or one that is broken: it will be replaced."""
    with contextlib.suppress(InputError):
        if isinstance(found := read_json(cache), dict):
            return found
    return {}


def _files(folder: Beat2Folder) -> list[Path]:
    shared = [folder.root / name for name in (SPLIT_TABLE, MEAN_SPEED, MANIFEST, *CARRIED)]
    return [path for clip_id in folder.ids() for path in folder.files(clip_id)] + [
        path for path in shared if path.exists()
    ]


def _key(path: Path) -> str:
    status = path.stat()
    return f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
