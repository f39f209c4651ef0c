"""Sound and motion of speech as rows of numbers, one per frame of 30 fps. Legend: T frames, A audio features, M motion
features."""

from functools import cache

import numpy as np
import torch

from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.device import device
from gesturebench.common.features.pretrained import Pretrained, width_of
from gesturebench.common.features.registry import FEATURES, compute_feature
from gesturebench.common.features.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from gesturebench.common.motion.rotations import axis_angle_to_6d
from gesturebench.common.motion.skeleton import EYES, JAW, N_JOINTS
from gesturebench.common.motion.translation import central_velocity
from gesturebench.methods.exges.retrieval.config import BaseConfig

FPS = 30
MOTION_WIDTH = 6 * N_JOINTS + 3
PIECE_S = 30.0
"""Seconds of speech that a pretrained encoder hears at once."""
BLOCK = 4096


def audio_rows(speech: Speech, config: BaseConfig) -> np.ndarray:
    """(T, A) float32: the mel feature, or a frozen encoder's last layer between motion frames."""
    if config.encoder is None:
        return compute_feature("mel", speech)
    return speech_encoder(config.encoder, str(device())).rows(speech)


def audio_width(config: BaseConfig) -> int:
    return FEATURES["mel"].dim if config.encoder is None else width_of(config.encoder)


@cache
def speech_encoder(source: Pretrained, device: str) -> SpeechEncoder:
    """One per model and device in a process."""
    settings = SpeechEncoderConfig(model=source.model, revision=source.revision, fps=FPS, chunk_s=PIECE_S)
    return SpeechEncoder(settings, device)


def motion_rows(motion: Motion) -> np.ndarray:
    """(T, 333) float32: 6D rotations of 55 joints, and the velocity of the root in m/s."""
    rows = np.empty((motion.n_frames, MOTION_WIDTH), np.float32)
    for first in range(0, motion.n_frames, BLOCK):  # rotations make many temporaries: keep them in the cache
        poses = torch.from_numpy(np.array(motion.poses[first : first + BLOCK], np.float32)).unflatten(-1, (N_JOINTS, 3))
        rows[first : first + BLOCK, :-3] = axis_angle_to_6d(poses).flatten(1).numpy()
    rows[:, -3:] = central_velocity(motion.trans, 1 / FPS)
    return rows


def compared(face: bool) -> np.ndarray:
    """(333,) bool: the motion features that the encoder sees, without those of jaw and eyes unless `face`."""
    seen = np.ones(MOTION_WIDTH, bool)
    for joint in () if face else (*JAW, *EYES):
        seen[6 * joint : 6 * joint + 6] = False
    return seen
