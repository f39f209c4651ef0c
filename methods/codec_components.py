"""The part VAEs as components: declared alike by every method that uses them, so that they are trained once."""

from gesturebench.common.codecs.config import CodecConfig
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.methods.base import Component

FIT = "gesturebench.common.codecs.part_codec:fit_part_vae"


def codec_components(config: CodecConfig) -> tuple[Component, ...]:
    """One `vae_<part>` per body part; shared by all run seeds."""
    codec = config.model_dump(mode="json")
    return tuple(Component(f"vae_{part}", FIT, {"codec": codec, "part": part}, seeded=False) for part in PART_NAMES)
