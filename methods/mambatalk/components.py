"""The trained parts of MambaTalk, planned without loading any of them."""

from gesturebench.common.features.pretrained import absence, stated_identity
from gesturebench.methods.base import Component
from gesturebench.methods.codec_components import GLOBAL_MOTION, vq_components
from gesturebench.methods.mambatalk.config import MambaTalkConfig

TOKENS, NETWORK = "tokens", "network"


def trained_components(config: MambaTalkConfig) -> tuple[Component, ...]:
    """The priors (without VQ-VAEs that of global motion alone), the recogniser's letters if it is read, the network."""
    priors = vq_components(config.priors)
    if config.network.target == "motion":
        priors = tuple(prior for prior in priors if prior.name == GLOBAL_MOTION)
    before = (*priors, *_letters(config))
    sections = config.model_dump(mode="json", include={"priors", "network", "speech", "losses", "training"})
    if config.speech.tokens == "recogniser":
        sections["speech"]["recogniser"] = stated_identity(config.speech.recogniser)
    fit = "gesturebench.methods.mambatalk.fitting:fit_network"
    return (*before, Component(NETWORK, fit, sections, needs=tuple(part.name for part in before)))


def _letters(config: MambaTalkConfig) -> tuple[Component, ...]:
    """Known by what the recogniser is, wherever it lies."""
    if config.speech.tokens != "recogniser":
        return ()
    recogniser = config.speech.recogniser
    return (
        Component(
            TOKENS,
            "gesturebench.methods.mambatalk.tokens:fit_tokens",
            {"recogniser": stated_identity(recogniser)},
            seeded=False,
            place={"recogniser": recogniser.model_dump()},
        ),
    )


def missing_models(config: MambaTalkConfig) -> tuple[str, ...]:
    """One line about the recogniser if it is read and not on this machine."""
    if config.speech.tokens != "recogniser":
        return ()
    line = absence(config.speech.recogniser, "speech.recogniser.model")
    return (f"{line}; or set speech.tokens=phones",) if line else ()
