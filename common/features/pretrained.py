"""The one door for pretrained encoders: a folder or a hub id becomes a model in evaluation mode, and an identity.

`transformers` is an optional dependency (the extra `encoders`) and is imported when the first encoder is asked for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from gesturebench.common.config import Config
from gesturebench.common.errors import InputError
from gesturebench.common.files import sha256_file, sha256_json

_REMEDY = "pass a folder written by save_pretrained, or download the model once where there is a network"


class Pretrained(Config):
    """Which model: `model` is a folder written by `save_pretrained` or the id of a model on the Hugging Face hub,
    `revision` a branch, tag or commit of the hub (a folder has none)."""

    model: str
    revision: str | None = None


def load_model(source: Pretrained, kind: str, may_miss: tuple[str, ...] = ()) -> Any:
    """The model of `source` by the class `transformers.<kind>`, in evaluation mode on the CPU.

    Weights that the file lacks would be drawn at random without a word; that is an `InputError` but for the names that
    begin with one of `may_miss` (parameters that evaluation does not read).
    """
    transformers = _transformers()
    with _explained(source), _quiet(transformers):
        model, report = getattr(transformers, kind).from_pretrained(
            _place(source), revision=source.revision, output_loading_info=True
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
        return transformers.AutoTokenizer.from_pretrained(_place(source), revision=source.revision, use_fast=True)


def identity(source: Pretrained) -> str:
    """Which weights these are: the hub's commit, or the content of a folder's files."""
    folder = Path(_place(source))
    if not folder.is_dir():
        return _commit(source)
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name[0] != "."]
    return "sha256:" + sha256_json([(path.name, _hash(path, path.stat().st_mtime_ns)) for path in files])


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
