"""Motion through the motion priors and back: what methods that predict their codes cannot exceed."""

import numpy as np
import torch

from gesturebench.common.codecs.part_vqs import PartVQs, to_motion
from gesturebench.common.codecs.prior_windows import motion_channels, part_rows
from gesturebench.common.corpus.clip import Motion
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.parts import foot_contact


def reconstruct_by_codes(motion: Motion, vqs: PartVQs, joints: JointModel) -> Motion:
    """Each frame of a motion at 30 frames a second as its four codes, decoded in one piece. Translation is what the
    network of global motion reads off the decoded legs, from the motion's own starting place."""
    given = motion.poses, motion.trans, foot_contact(motion, joints), motion.expressions
    poses, trans, contact, expressions = (torch.from_numpy(np.array(rows, np.float32)) for rows in given)
    features = part_rows(motion_channels(poses, trans, contact)[None], expressions[None])
    decoded = vqs.decode(vqs.indices(features))
    moved = vqs.global_motion(decoded["lower"])
    start_xz = float(motion.trans[0, 0]), float(motion.trans[0, 2])
    return to_motion({part: rows[0] for part, rows in decoded.items()}, moved[0], motion.betas, start_xz)
