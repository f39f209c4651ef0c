"""From a motion to the frames of its video."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gesturebench.common.corpus.clip import SAMPLE_RATE, Motion
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.skeleton import FEET
from gesturebench.common.progress import Progress, silent
from gesturebench.common.rendering.banner import banner, with_banner
from gesturebench.common.rendering.camera import Camera
from gesturebench.common.rendering.limbs import body_cones, body_points
from gesturebench.common.rendering.raster import background, draw_cones
from gesturebench.common.rendering.video import save_video

SIZE = 512, 640
YAW = np.deg2rad(15)
"""A little from the side: what hands do to the front is seen as well."""
_CHUNK = 256
_FLOOR_BEHIND_M = 0.05


@dataclass(frozen=True)
class Notice:
    """Words that a video shows from `start_s` to `end_s`."""

    text: str
    start_s: float
    end_s: float


def film_frames(
    motion: Motion, joints: JointModel, camera: Camera | None = None, notice: Notice | None = None
) -> Iterator[np.ndarray]:
    """(H, W, 3) uint8 for every frame of the motion; `camera` None: one that has it in the picture."""
    positions_TJ3 = joints.positions(motion)
    camera = camera or Camera.around([positions_TJ3], SIZE, YAW)
    cones, rest_J3 = body_cones(), joints.rest_joints(motion.betas)
    lowest = positions_TJ3[:, FEET, 1].min() + _FLOOR_BEHIND_M
    floor_y = camera.project(np.array([0, lowest, 0]))[1]
    empty = background(camera.size, floor_y)
    words = None if notice is None else banner(notice.text, camera.size[0])
    for frame, points_P3 in enumerate(_points(positions_TJ3, rest_J3, camera)):
        drawn = draw_cones(points_P3[cones.ends], cones.radii * camera.scale, cones.colours, empty)
        told = notice is not None and notice.start_s <= frame / motion.fps < notice.end_s
        yield with_banner(drawn, words) if told else drawn


def _points(positions_TJ3: np.ndarray, rest_J3: np.ndarray, camera: Camera) -> Iterator[np.ndarray]:
    for start in range(0, len(positions_TJ3), _CHUNK):
        yield from camera.project(body_points(positions_TJ3[start : start + _CHUNK], rest_J3))


def save_film(
    path: Path, motion: Motion, joints: JointModel, audio: np.ndarray | None = None, *, camera: Camera | None = None,
    notice: Notice | None = None, progress: Progress = silent,
) -> None:  # fmt: skip
    """Write the video of a motion; `audio` (S,) at 16 kHz is cut or continued with silence to its length."""
    if audio is not None:
        audio = _as_long(audio, motion)
    frames = film_frames(motion, joints, camera, notice)
    save_video(path, _counted(frames, motion.n_frames, progress), motion.fps, audio, SAMPLE_RATE)


def _as_long(audio: np.ndarray, motion: Motion) -> np.ndarray:
    samples = round(motion.duration_s * SAMPLE_RATE)
    return np.pad(audio[:samples], (0, max(0, samples - len(audio))))


def _counted(frames: Iterator[np.ndarray], total: int, progress: Progress) -> Iterator[np.ndarray]:
    for done, frame in enumerate(frames, start=1):
        yield frame
        progress(done, total)
