"""The motion base and the retrieval module of the small stand-in corpus, made once."""

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from gesturebench.common.fitting import FitContext
from gesturebench.common.progress import silent
from gesturebench.methods.exges.retrieval.components import retrieval_components
from gesturebench.methods.exges.retrieval.config import RETRIEVAL_PRESETS, RetrievalConfig
from gesturebench.methods.exges.retrieval.search import Retriever

CONFIG = RETRIEVAL_PRESETS["tiny"].updated(
    {
        "network": {"width": 16, "heads": 2, "hidden": 16, "joint": 8, "step": 4},
        "contrast": {"queue": 16},
        "training": {"steps": 6, "batch": 8, "save_every": 2},
    }
)


@pytest.fixture(scope="session")
def retrieval(store, tmp_path_factory) -> SimpleNamespace:
    """`config`, its `artifacts`, and `fit(name, config, ...)`, which makes one component into a new folder."""

    def fit(name: str, config: RetrievalConfig = CONFIG, *, seed=0, work=None, progress=silent, store=store) -> Path:
        component = next(part for part in retrieval_components(config) if part.name == name)
        out, work = tmp_path_factory.mktemp(name), work or tmp_path_factory.mktemp("work")
        upstream = {need: made[need] for need in component.needs}
        context = FitContext(store, out, work, seed, upstream, progress=progress, place=component.place)
        module, _, function = component.fit.partition(":")
        getattr(import_module(module), function)(component.config, context)
        return out

    made: dict[str, Path] = {}
    for component in retrieval_components(CONFIG):
        made[component.name] = fit(component.name)
    return SimpleNamespace(config=CONFIG, artifacts=made, fit=fit)


@pytest.fixture(scope="session")
def retriever(retrieval, store):
    """`retriever(**search)`: the trained retriever, asked in some way."""

    def load(**search) -> Retriever:
        return Retriever.load(
            retrieval.config.updated({"search": {"gate": False, **search}}), retrieval.artifacts, store
        )

    return load
