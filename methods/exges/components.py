"""The parts of ExGes that are made before anything is generated, planned without loading any of them."""

from gesturebench.methods.base import Component
from gesturebench.methods.exges.config import ExgesConfig
from gesturebench.methods.exges.retrieval.components import missing_models as missing_of_retrieval
from gesturebench.methods.exges.retrieval.components import retrieval_components

POSES, SPEECH, NETWORK = "training_poses", "clip_audios", "network"


def trained_components(config: ExgesConfig) -> tuple[Component, ...]:
    """Pose features, what a pretrained encoder hears in the training split, the denoiser, and what finds keyframes if a
    run looks for any. How motion is sampled enters none of them, so ablations of that share their weights.
    """
    poses = Component(POSES, "gesturebench.common.cross_local.training_poses:fit_training_poses", {}, seeded=False)
    before = (poses, *_heard(config))
    sections = config.model_dump(mode="json", include={"network", "speech", "styles", "initial", "control", "training"})
    if not config.control.training:
        sections["control"] = {"training": False}
    needs, fit = tuple(part.name for part in before), "gesturebench.methods.exges.fitting:fit_network"
    network = Component(NETWORK, fit, sections, needs=needs)
    return (*before, network, *(retrieval_components(config.retrieval) if config.has_retrieval else ()))


def _heard(config: ExgesConfig) -> tuple[Component, ...]:
    """The rows of an encoder, once for every clip; nothing where a feature of the clip store is heard."""
    preparation = config.speech.preparation()
    if preparation is None:
        return ()
    what, place = preparation
    fit = "gesturebench.common.features.preparing:prepare_windows"
    return (Component(SPEECH, fit, what, seeded=False, place=place),)


def missing_models(config: ExgesConfig) -> tuple[str, ...]:
    """One line for each model that this configuration reads and that is not on this machine."""
    of_retrieval = missing_of_retrieval(config.retrieval) if config.has_retrieval else ()
    return (*config.speech.absences("speech"), *of_retrieval)
