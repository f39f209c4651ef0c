"""The part codecs as components: declared alike by every method that uses them, so that they are trained once."""

from gesturebench.common.codecs.config import CodecConfig
from gesturebench.common.codecs.vq_config import PriorConfig
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.methods.base import Component

FIT = "gesturebench.common.codecs.part_codec:fit_part_vae"
FIT_VQ = "gesturebench.common.codecs.prior_fitting:fit_part_vq"
FIT_GLOBAL_MOTION = "gesturebench.common.codecs.prior_fitting:fit_global_motion"
GLOBAL_MOTION = "global_motion"


def codec_components(config: CodecConfig) -> tuple[Component, ...]:
    """One `vae_<part>` per body part; shared by all run seeds."""
    codec = config.model_dump(mode="json")
    return tuple(Component(f"vae_{part}", FIT, {"codec": codec, "part": part}, seeded=False) for part in PART_NAMES)


def vq_components(config: PriorConfig) -> tuple[Component, ...]:
    """One `vq_<part>` per body part and `global_motion`; shared by all run seeds, read by `PartVQs`."""
    priors = config.model_dump(mode="json")
    parts = (Component(f"vq_{part}", FIT_VQ, {"priors": priors, "part": part}, seeded=False) for part in PART_NAMES)
    return (*parts, Component(GLOBAL_MOTION, FIT_GLOBAL_MOTION, {"priors": priors}, seeded=False))
