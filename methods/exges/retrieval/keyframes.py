"""What retrieval hands to the diffusion: poses with the frame where each belongs."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Keyframe:
    """A pose to be reached in frame `frame` of a speech (30 fps).

    `pose` (165,) axis-angle of 55 joints, as it was in frame `source_frame` of the recording `source_recording`; of its
    root only the tilt means something elsewhere. `similarity` is the cosine of the speech segment and the entry, in
    [-1, 1]; `segment` (start, end) in seconds is the stretch of speech that asked.
    """

    frame: int
    source_recording: str
    source_frame: int
    similarity: float
    segment: tuple[float, float]
    pose: np.ndarray = field(repr=False)
