"""The parts of ExGes' retrieval that are made before anything is generated, planned without loading any of them."""

from gesturebench.common.features.pretrained import Pretrained, absence, stated_identity
from gesturebench.methods.base import Component
from gesturebench.methods.exges.retrieval.config import BaseConfig, RetrievalConfig

MOTION_BASE, RETRIEVER = "motion_base", "retriever"


def retrieval_components(config: RetrievalConfig) -> tuple[Component, ...]:
    """The motion base, shared by all run seeds, and the module that is trained on it. How it is asked (`search`) enters
    neither."""
    base = _keyed(config.base)
    place = {"base": config.base.model_dump(mode="json")}
    fit = "gesturebench.methods.exges.retrieval.base_fitting:fit_motion_base"
    motion_base = Component(MOTION_BASE, fit, {"base": base}, seeded=False, place=place)
    sections = config.model_dump(mode="json", include={"network", "contrast", "training"})
    fit = "gesturebench.methods.exges.retrieval.fitting:fit_retriever"
    place = {"retrieval": config.model_dump(mode="json")}
    return motion_base, Component(RETRIEVER, fit, {"base": base, **sections}, needs=(MOTION_BASE,), place=place)


def missing_models(config: RetrievalConfig) -> tuple[str, ...]:
    """One line for each model that this configuration reads and that is not on this machine."""
    found = (absence(model, f"retrieval.base.{name}.model") for name, model in _models(config.base).items())
    return tuple(line for line in found if line)


def _keyed(config: BaseConfig) -> dict[str, object]:
    """Settings with the identity of models, wherever they lie."""
    values, models = config.model_dump(mode="json"), _models(config)
    for name in models.keys() & values.keys():
        values[name] = stated_identity(models[name])
    if "whisper" in models:
        values["words"] = {**values["words"], "whisper": stated_identity(models["whisper"])}
    return values


def _models(config: BaseConfig) -> dict[str, Pretrained]:
    """The pretrained models that are read."""
    found = {config.audio: config.encoder, "whisper": config.words.whisper}
    if config.words.source == "textgrid":
        del found["whisper"]
    return {name: model for name, model in found.items() if model is not None}
