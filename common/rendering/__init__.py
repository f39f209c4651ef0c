"""Videos of motion with its sound: a body of round limbs, drawn without a screen or a graphics card."""

from gesturebench.common.rendering.camera import Camera
from gesturebench.common.rendering.film import film_frames, save_film
from gesturebench.common.rendering.video import VIDEO_ENDINGS, check_video_file, save_video

__all__ = ["VIDEO_ENDINGS", "Camera", "check_video_file", "film_frames", "save_film", "save_video"]
