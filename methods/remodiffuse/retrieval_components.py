"""The components of retrieval: phrases, which every setting of the score shares, and the rankings that training reads.
Imports nothing heavy.
"""

from typing import Any

from gesturebench.common.features.pretrained import Pretrained, stated_identity
from gesturebench.methods.base import Component
from gesturebench.methods.remodiffuse.retrieval_config import RetrievalConfig

MOTION, PHRASES, RANKINGS = "motion_features", "phrases", "phrase_rankings"
READ = {"phrases", "text", "audio", "wav2vec2"}
"""The settings by which phrases are read; all entries depend on these alone."""
SCORED = {"ranked", "length_weight", "length", "audio_weight", "speakers", "exclude"}
"""The settings by which they are ranked. An index finds the same as any other."""


def phrase_components(config: RetrievalConfig) -> tuple[Component, ...]:
    """The entries: what a database needs that is asked by speech outside the training split."""
    values = config.model_dump(mode="json", include=READ)
    fit = "gesturebench.methods.remodiffuse.database_fitting:fit_phrases"
    identities = _with_identities(values, config)
    return (Component(PHRASES, fit, {"retrieval": identities}, seeded=False, place={"retrieval": values}),)


def ranking_components(config: RetrievalConfig) -> tuple[Component, ...]:
    """Which entries each entry would have: what training reads."""
    values = {"retrieval": config.model_dump(mode="json", include=SCORED)}
    fit = "gesturebench.methods.remodiffuse.database_fitting:fit_rankings"
    return (Component(RANKINGS, fit, values, needs=(PHRASES,), seeded=False),)


def _with_identities(values: dict[str, Any], config: RetrievalConfig) -> dict[str, Any]:
    """The settings with what their models are, wherever those lie."""

    def identity(model: Pretrained | None) -> str | None:
        return model and stated_identity(model)

    told = values | {"text": values["text"] | {"model": identity(config.text.model)}}
    return told | {"wav2vec2": identity(config.wav2vec2)} if "wav2vec2" in values else told
