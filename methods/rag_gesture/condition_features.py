"""Conditions of pretrained encoders as a component: the windows that training draws, encoded before it. Light: what is
planned with loads no model.
"""

from gesturebench.common.features.pretrained import absence, stated_identity, width_of
from gesturebench.common.features.registry import feature_named
from gesturebench.common.features.window_config import RATE
from gesturebench.methods.base import Component
from gesturebench.methods.rag_gesture.config import ConditionConfig, RagGestureConfig

FEATURES = "condition_features"
SPLIT = "train"


def feature_components(config: RagGestureConfig) -> tuple[Component, ...]:
    """None where no encoder is read. The key holds the identity of the models, wherever they lie."""
    encoding = config.conditions.encoding
    if encoding is None:
        return ()
    models = {"text": encoding.text, "audio": encoding.audio}
    values = {
        "length": _frames(config, config.codec.frames),
        "step": window_step(config),
        "split": SPLIT,
        "encoding": encoding.model_dump(mode="json")
        | {name: model and stated_identity(model) for name, model in models.items()},
    }
    fit = "gesturebench.common.features.preparing:prepare_windows"
    return (Component(FEATURES, fit, values, seeded=False, place={"encoding": encoding.model_dump(mode="json")}),)


def widths(config: ConditionConfig) -> tuple[int, int]:
    """(text, audio) widths of a row."""
    text = width_of(config.bert) if config.text == "bert" else feature_named(config.text).dim
    return text, width_of(config.wav2vec2) if config.audio == "wav2vec2" else feature_named(config.audio).dim


def window_step(config: RagGestureConfig) -> int:
    """Frames of 30 fps between the windows that training draws."""
    return _frames(config, config.denoiser.window_stride or config.codec.vae.chunk)


def _frames(config: RagGestureConfig, count: int) -> int:
    return count * RATE // config.codec.fps


def missing_models(config: RagGestureConfig) -> tuple[str, ...]:
    """One line for each model that this configuration reads and that is not on this machine."""
    encoding = config.conditions.encoding
    if encoding is None:
        return ()
    models = (("conditions.bert", encoding.text), ("conditions.wav2vec2", encoding.audio))
    found = (absence(model, f"{where}.model") for where, model in models if model is not None)
    return tuple(line for line in found if line)
