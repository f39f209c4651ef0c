"""Pictures and sound as a file that browsers play: H.264 and AAC in .mp4, VP9 and Opus in .webm.

Equal pictures and sound give equal bytes with one version of the encoders; nothing in the file says where it came from.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.files import check_output, writing


@dataclass(frozen=True)
class _Codecs:
    """How a file with an ending is encoded, see `ffmpeg -h encoder=NAME`; qualities that leave no visible trace."""

    container: str
    video: str
    video_options: dict[str, str]
    audio: str
    container_options: dict[str, str]


VIDEO_ENDINGS: dict[str, _Codecs] = {
    ".mp4": _Codecs(
        "mp4", "libx264", {"crf": "20", "preset": "veryfast", "tune": "animation"}, "aac",
        {"movflags": "+faststart", "fflags": "+bitexact"},
    ),
    ".webm": _Codecs(
        "webm", "libvpx-vp9", {"crf": "30", "b": "0", "deadline": "realtime", "cpu-used": "8"}, "libopus",
        {"fflags": "+bitexact"},
    ),
}  # fmt: skip


def check_video_file(path: Path) -> None:
    """Refuse a file that could not be written, before a frame is drawn."""
    if path.suffix.lower() not in VIDEO_ENDINGS:
        raise unknown_name("ending of a video", path.suffix, VIDEO_ENDINGS)
    _encoders()
    check_output(path)


def save_video(
    path: Path, frames: Iterable[np.ndarray], fps: float, audio: np.ndarray | None = None, rate: int = 16_000
) -> None:
    """Frames (H, W, 3) uint8 with sound (S,) float32 in [-1, 1] at 8, 12, 16, 24 or 48 kHz beside them."""
    check_video_file(path)
    codecs, av = VIDEO_ENDINGS[path.suffix.lower()], _encoders()
    with writing(path) as part:
        with av.open(str(part), "w", format=codecs.container, options=codecs.container_options) as file:
            _encode(av, file, codecs, frames, fps, audio, rate)


def _encode(av, file, codecs: _Codecs, frames: Iterable[np.ndarray], fps: float, audio, rate: int) -> None:
    """Sound goes in beside the pictures of the same time, so that a player finds both in one place."""
    frame_rate = Fraction(fps).limit_denominator(1001)
    sound = None if audio is None else file.add_stream(codecs.audio, rate=rate, layout="mono")
    pieces = iter(()) if audio is None else _pieces(av, audio, rate, frame_rate)
    stream = None
    for picture in frames:
        if stream is None:
            stream = file.add_stream(codecs.video, rate=frame_rate, options=dict(codecs.video_options))
            stream.height, stream.width = picture.shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.codec_context.thread_count = 1
        file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        if (piece := next(pieces, None)) is not None:
            file.mux(sound.encode(piece))
    if stream is None:
        raise InputError("a video without frames", expected="at least one frame")
    for piece in pieces:
        file.mux(sound.encode(piece))
    for each in filter(None, (stream, sound)):
        file.mux(each.encode(None))


def _pieces(av, audio: np.ndarray, rate: int, frame_rate: Fraction) -> Iterator:
    """The sound of one video frame after another."""
    bounds = [round(i * rate / frame_rate) for i in range(int(len(audio) * frame_rate / rate) + 2)]
    for start, stop in pairwise(bounds):
        piece = np.asarray(audio[start:stop], np.float32)
        if len(piece):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece[None]), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            yield frame


def _encoders():
    try:
        import av
    except ImportError as error:
        raise InputError(
            "videos need the package av", expected="the extra `render`", remedy="pip install 'gesturebench[render]'"
        ) from error
    return av
