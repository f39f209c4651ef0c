"""Motion through the part VAEs and back, at any length."""

import torch

from gesturebench.common.codecs.part_codec import PartCodecs
from gesturebench.common.corpus.clip import Motion
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.parts import foot_contact, motion_from_six, part_features, six_from_parts
from gesturebench.common.motion.resample import decimate, upsample
from gesturebench.common.motion.seams import blended, window_starts
from gesturebench.common.motion.skeleton import PART_NAMES

OVERLAP = 15


def reconstruct(motion: Motion, codecs: PartCodecs, joints: JointModel, generator: torch.Generator) -> Motion:
    """Encode and decode overlapping windows at the codec's rate; the motion's own length, rate and starting place are
    kept.
    """
    config = codecs.config
    slow = decimate(motion, config.fps)
    windows = []
    for start in window_starts(slow.n_frames, config.frames, OVERLAP):
        window = padded(slow.cut(start, start + config.frames), config.frames)
        features = part_features(window, foot_contact(window, joints))
        decoded = codecs.decode(codecs.encode({part: features[part][None] for part in PART_NAMES}, generator))
        windows.append(tuple(part[0] for part in six_from_parts(decoded)))
    six, expressions, trans = blended(windows, OVERLAP)
    trans = trans + torch.tensor([float(motion.trans[0, 0]), 0.0, float(motion.trans[0, 2])])
    return upsample(motion_from_six(six, expressions, trans, motion.betas, config.fps), motion.fps, motion.n_frames)


def padded(motion: Motion, frames: int) -> Motion:
    """At least `frames` frames: the last one is repeated."""
    index = torch.arange(max(frames, motion.n_frames)).clamp(max=motion.n_frames - 1).numpy()
    return Motion(motion.poses[index], motion.expressions[index], motion.trans[index], motion.betas, motion.fps)
