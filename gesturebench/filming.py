"""What the verb `render` does."""

import math
import re
from pathlib import Path

from gesturebench.common.errors import InputError
from gesturebench.console import console, progress_bar


def render_file(
    motion_file: Path, audio_file: Path | None, out: Path, body: str | None, size: str, yaw_degrees: float
) -> None:
    """Everything that can be refused is refused before anything is drawn."""
    from gesturebench.benchmarks.source import body_file
    from gesturebench.common.corpus.audio import read_audio
    from gesturebench.common.motion.export import load_motion
    from gesturebench.common.motion.kinematics import JointModel
    from gesturebench.common.rendering import Camera, check_video_file, save_film

    pixels = parsed_size(size)
    check_video_file(out)
    motion = load_motion(motion_file)
    audio = None if audio_file is None else read_audio(audio_file)
    joints = JointModel.from_body_model(body_file(body or "standin"))
    camera = Camera.around([joints.positions(motion)], pixels, math.radians(yaw_degrees))
    with progress_bar("render") as progress:
        save_film(out, motion, joints, audio, camera=camera, progress=progress)
    sound = "no sound" if audio is None else f"sound of {audio_file}"
    console().print(
        f"{out}: {motion.n_frames} frames at {motion.fps:g} fps, {size} pixels, {sound}", markup=False, soft_wrap=True
    )


def parsed_size(text: str) -> tuple[int, int]:
    """
    >>> parsed_size("640x480")
    (640, 480)
    """
    from gesturebench.common.rendering.camera import checked_size

    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise InputError(f"--size {text}", expected="width and height in pixels such as 512x640")
    return checked_size((int(match[1]), int(match[2])))
