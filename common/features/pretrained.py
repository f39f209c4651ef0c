"""The one door for pretrained encoders: a folder or a hub id becomes a model in evaluation mode, and an identity.

`transformers` is an optional dependency (the extra `encoders`) and is imported when the first encoder is asked for.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from gesturebench.common.config import Config
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, sha256_file, sha256_json

_REMEDY = "pass a folder written by save_pretrained, or download the model once where there is a network"


class Pretrained(Config):
    """Which model: `model` is a folder written by `save_pretrained` or the id of a model on the Hugging Face hub,
    `revision` a branch, tag or commit of the hub (a folder has none)."""

    model: str
    revision: str | None = None


def load_model(source: Pretrained, kind: str, may_miss: tuple[str, ...] = (), **options: Any) -> Any:
    """The model of `source` by the class `transformers.<kind>`, in evaluation mode on the CPU; `options` go to its
    `from_pretrained`.

    Weights that the file lacks would be drawn at random without a word; that is an `InputError` but for the names that
    begin with one of `may_miss` (parameters that evaluation does not read).
    """
    transformers = _transformers()
    with _explained(source), _quiet(transformers):
        model, report = getattr(transformers, kind).from_pretrained(
            _here(source), revision=source.revision, output_loading_info=True, **options
        )
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(may_miss))
    if missing:
        raise InputError(
            f"{source.model}: {len(missing)} weights are missing, the first is {missing[0]}",
            expected=f"all weights of a {type(model).__name__}",
            remedy="download the model again, or name one of this architecture",
        )
    return model.eval().requires_grad_(False)


def load_tokenizer(source: Pretrained) -> Any:
    """The fast tokenizer of `source`."""
    transformers = _transformers()
    with _explained(source), _quiet(transformers):
        return transformers.AutoTokenizer.from_pretrained(_here(source), revision=source.revision, use_fast=True)


def identity(source: Pretrained) -> str:
    """Which weights these are: the hub's commit, or the content of a folder's files."""
    folder = Path(_place(source))
    if not folder.is_dir():
        return f"commit:{source.revision}" if is_commit(source.revision) else _commit(source)
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name[0] != "."]
    return "sha256:" + sha256_json([(path.name, _hash(path, path.stat().st_mtime_ns)) for path in files])


def stated_identity(source: Pretrained) -> str:
    """`identity` without a network and without `transformers`: a model of the hub must name its commit."""
    if not Path(_place(source)).is_dir() and not is_commit(source.revision):
        raise InputError(
            f"{source.model}: revision {source.revision}",
            expected="a commit of 40 hexadecimal digits, which says what the model is before it is here",
            remedy="take it from the model's page on the hub, or name a folder written by save_pretrained",
        )
    return identity(source)


def is_commit(revision: str | None) -> bool:
    return revision is not None and re.fullmatch("[0-9a-f]{40}", revision) is not None


def folder_of(source: Pretrained) -> Path | None:
    """Where a model lies on this machine: its folder, or the hub's cache; None if it is not here. Reads no weights."""
    folder = Path(_place(source))
    if not folder.is_dir():
        folder = _hub_cache() / f"models--{source.model.replace('/', '--')}" / "snapshots" / (source.revision or "main")
    whole = (folder / "config.json").exists() and any(
        file for pattern in ("*.safetensors", "*.bin") for file in folder.glob(pattern)
    )
    return folder if whole else None


def absence(source: Pretrained, what_for: str) -> str | None:
    """One line about a model that is not on this machine and how to get it, None if it is here."""
    try:
        if folder_of(source) is not None:
            return None
    except InputError as error:
        return f"{what_for}: {error}"
    weights = "pytorch_model.bin" if source.model in _WITHOUT_SAFETENSORS else "*.safetensors"
    files = " ".join(f'--include "{pattern}"' for pattern in ("*.json", "*.txt", weights))
    return (
        f"{what_for}: {source.model} (revision {source.revision}) is not on this machine; get it where there is a "
        f"network with: hf download {source.model} --revision {source.revision} {files}; or name a folder of it "
        "written by save_pretrained"
    )


def width_of(source: Pretrained) -> int:
    """Numbers per row of a model's hidden states, of CLIP its text tower's, from its configuration; of the published
    models known without it."""
    folder = folder_of(source)
    if folder is not None:
        config = read_json(folder / "config.json")
        return int(config.get("text_config", config)["hidden_size"])
    if source.model in _WIDTHS:
        return _WIDTHS[source.model]
    raise InputError(absence(source, "the width of an encoder") or source.model)


_WIDTHS = {
    "google-bert/bert-base-cased": 768,
    "facebook/wav2vec2-base-960h": 768,
    "microsoft/wavlm-large": 1024,
    "openai/clip-vit-base-patch32": 512,
}


_WITHOUT_SAFETENSORS = {"microsoft/wavlm-large"}
"""Published as a pickle alone, which transformers reads with `weights_only=True`."""


def _hub_cache() -> Path:
    """Where the hub's own tools keep what they downloaded."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(name):
            return Path(os.environ[name]).expanduser()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("HF_HOME") or Path(home) / "huggingface").expanduser() / "hub"


def passport(source: Pretrained, version: int) -> dict[str, Any]:
    """What the rows of an encoder depend on: its settings, its weights, and the version of our code."""
    return {**source.model_dump(), "identity": identity(source), "version": version}


def _commit(source: Pretrained) -> str:
    _transformers()
    from transformers.utils.hub import cached_file, extract_commit_hash

    with _explained(source):
        config = cached_file(_place(source), "config.json", revision=source.revision)
    return f"commit:{extract_commit_hash(config, None)}"


@cache
def _hash(path: Path, changed_ns: int) -> str:
    """The sha256 of a weight file, computed once per process and change."""
    return sha256_file(path)


def _transformers() -> ModuleType:
    try:
        import transformers
    except ImportError as error:
        raise InputError(
            f"pretrained encoders need the package transformers ({error})",
            expected="the extra `encoders`",
            remedy="pip install 'gesturebench[encoders]', or choose the features mel, prosody and words",
        ) from error
    return transformers


def _place(source: Pretrained) -> str:
    """The name as `from_pretrained` takes it; what can only be a path must exist, or the hub would be searched."""
    path = Path(source.model).expanduser()
    if path.is_dir():
        return str(path)
    if path.is_absolute() or source.model.startswith(".") or source.model.count("/") > 1:
        raise InputError(f"{source.model}: no such folder", expected="a pretrained model", remedy=_REMEDY)
    return source.model


def _here(source: Pretrained) -> str:
    """What `from_pretrained` loads without asking the network, if it is on this machine."""
    return str(folder_of(source) or _place(source))


@contextmanager
def _explained(source: Pretrained) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # OSError, ValueError, SafetensorError, RuntimeError ...: they have no common base
        revision = f" (revision {source.revision})" if source.revision else ""
        raise InputError(
            f"{source.model}{revision}: cannot be loaded ({type(error).__name__}: {_first_line(error)})",
            expected="a pretrained model in a folder or on the hub",
            remedy=_REMEDY,
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "no message")


@contextmanager
def _quiet(transformers: ModuleType) -> Iterator[None]:
    """Without the bars and reports of the library, and without a trace in torch's global generator."""
    import torch

    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
