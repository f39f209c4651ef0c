"""The parts of ReMoDiffuse that are made before anything is generated, planned without loading any of them."""

from typing import Any

from gesturebench.common.embedding.config import missing_models as missing_encoders
from gesturebench.common.features.pretrained import absence, stated_identity
from gesturebench.common.features.sentence_config import SentenceConfig
from gesturebench.common.features.window_config import WindowEncoding
from gesturebench.methods.base import Component
from gesturebench.methods.remodiffuse.config import ConditionConfig, RemodiffuseConfig
from gesturebench.methods.remodiffuse.retrieval_components import MOTION, phrase_components, ranking_components
from gesturebench.methods.remodiffuse.searching_config import search_components

NETWORK = "network"
TEXTS, AUDIOS = "window_texts", "clip_audios"
SPLIT = "train"
STEP = 2
"""Frames of the clip store per frame of the motion domain."""


def trained_components(config: RemodiffuseConfig) -> tuple[Component, ...]:
    """Motion features, phrases and their rankings, what pretrained encoders make of the training split, and the
    network, if motion is sampled and not shown as it was retrieved; and the search for a mixture where there is one.
    """
    before = _motion(config)
    if config.use_retrieval:
        before += phrase_components(config.retrieval)
    if config.retrieval.shown:
        return before
    if config.use_retrieval:
        before += ranking_components(config.retrieval)
    before += _encoded(config)
    include = {"motion", "conditions", "use_retrieval", "denoiser", "dropping", "training"}
    sections = config.model_dump(mode="json", include=include)
    if config.use_retrieval:
        sections["retrieval"] = config.retrieval.model_dump(mode="json", exclude={"shown", "index"})
    fit = "gesturebench.methods.remodiffuse.fitting:fit_network"
    trained = (*before, Component(NETWORK, fit, sections, needs=tuple(part.name for part in before)))
    return trained + search_components(config, trained)


def _motion(config: RemodiffuseConfig) -> tuple[Component, ...]:
    fit = "gesturebench.methods.remodiffuse.training_motion:fit_training_motion"
    return (Component(MOTION, fit, {"expressions": config.motion.expressions}, seeded=False),)


def _encoded(config: RemodiffuseConfig) -> tuple[Component, ...]:
    """Texts of training windows by a language model, audio of training clips by a speech encoder; nothing where hashed
    words and features of the clip store are read. CLIP reads a window when it is drawn.
    """
    told, parts = config.conditions, []
    if told.text.encoder == "bert":
        encoding = WindowEncoding(text=told.text.model, source="words")
        parts.append(_prepared(TEXTS, encoding, config.motion.frames * STEP, config.motion.stride * STEP))
    if told.audio == "wav2vec2":
        whole_clips = 1, 2**31
        parts.append(_prepared(AUDIOS, WindowEncoding(audio=told.wav2vec2, granularity="clip"), *whole_clips))
    return tuple(parts)


def _prepared(name: str, encoding: WindowEncoding, length: int, step: int) -> Component:
    """The key holds the identity of the models, wherever they lie."""
    values: dict[str, Any] = encoding.model_dump(mode="json")
    models = {"text": encoding.text, "audio": encoding.audio}
    identities = {kind: model and stated_identity(model) for kind, model in models.items()}
    fit = "gesturebench.common.features.preparing:prepare_windows"
    what = {"length": length, "step": step, "split": SPLIT, "encoding": values | identities}
    return Component(name, fit, what, seeded=False, place={"encoding": values})


def missing_models(config: RemodiffuseConfig) -> tuple[str, ...]:
    """One line for each model that this configuration reads and that is not on this machine."""
    found = [*_missing(config.conditions.text, "conditions.text"), *_missing_audio(config.conditions)]
    if config.use_retrieval:
        found += _missing(config.retrieval.text, "retrieval.text")
    if config.search.stages != "none":
        found += missing_encoders(config.search.embedding)
    return tuple(dict.fromkeys(found))


def _missing(text: SentenceConfig, where: str) -> list[str]:
    line = absence(text.model, f"{where}.model") if text.model is not None else None
    return [line] if line else []


def _missing_audio(told: ConditionConfig) -> list[str]:
    line = absence(told.wav2vec2, "conditions.wav2vec2") if told.audio == "wav2vec2" else None
    return [line] if line else []
