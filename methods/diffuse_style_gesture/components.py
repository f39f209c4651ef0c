"""The parts of DiffuseStyleGesture that are made before anything is generated, planned without loading any of them."""

from gesturebench.methods.base import Component
from gesturebench.methods.diffuse_style_gesture.config import DiffuseStyleGestureConfig

POSES, SPEECH, NETWORK = "training_poses", "clip_audios", "network"


def trained_components(config: DiffuseStyleGestureConfig) -> tuple[Component, ...]:
    """Pose features, what a pretrained encoder hears in the training split, and the denoiser. How motion is sampled
    enters none of them."""
    before = [Component(POSES, "gesturebench.common.cross_local.training_poses:fit_training_poses", {}, seeded=False)]
    if (preparation := config.speech.preparation()) is not None:
        what, place = preparation
        prepare = "gesturebench.common.features.preparing:prepare_windows"
        before.append(Component(SPEECH, prepare, what, seeded=False, place=place))
    sections = config.model_dump(mode="json", exclude={"sampling"})
    fit = "gesturebench.methods.diffuse_style_gesture.fitting:fit_network"
    return (*before, Component(NETWORK, fit, sections, needs=tuple(part.name for part in before)))
