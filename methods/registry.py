"""Finding methods by name: built-in ones lazily, third-party ones by the entry point group `gesturebench.methods`."""

from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from gesturebench.common.errors import InputError, unknown_name
from gesturebench.methods.base import Method

BUILT_IN = {
    "ground_truth": "gesturebench.methods.anchors:GroundTruth",
    "reconstruction": "gesturebench.methods.anchors:Reconstruction",
    "vq_reconstruction": "gesturebench.methods.anchors:VQReconstruction",
    "random_clip": "gesturebench.methods.anchors:RandomClip",
    "rag_gesture": "gesturebench.methods.rag_gesture.method:RagGesture",
    "diffuse_style_gesture": "gesturebench.methods.diffuse_style_gesture.method:DiffuseStyleGesture",
    "emage": "gesturebench.methods.emage.method:Emage",
    "exges": "gesturebench.methods.exges.method:Exges",
    "mambatalk": "gesturebench.methods.mambatalk.method:MambaTalk",
    "remodiffuse": "gesturebench.methods.remodiffuse.method:Remodiffuse",
}
GROUP = "gesturebench.methods"


def method_names() -> list[str]:
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def get_method(name: str) -> type[Method]:
    """The class of a method; an unknown name lists its near matches, a broken plugin says its last line."""
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return getattr(import_module(module), attribute)
    for point in entry_points(group=GROUP):
        if point.name == name:
            try:
                return _a_method(point.load())
            except (Exception, SystemExit) as error:  # a script that is no plugin ends where it is imported
                raise InputError(
                    f"plugin {name!r} ({point.value}) is broken: {type(error).__name__}: {error}",
                    remedy="mend or uninstall it",
                ) from error
    raise unknown_name("method", name, method_names())


def _a_method(found: Any) -> type[Method]:
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise TypeError(f"{found!r} is no subclass of Method")
    return found


def survey() -> Iterator[tuple[str, str]]:
    """Every method with `ok` or the last line of what went wrong; a broken plugin harms nobody else."""
    for name in method_names():
        try:
            get_method(name)
        except Exception as error:
            yield name, str(error).splitlines()[-1]
        else:
            yield name, "ok"
