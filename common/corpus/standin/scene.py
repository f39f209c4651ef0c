"""What is known about a clip before anyone moves: what is said, when, how prominently, by whom and in what mood."""

from dataclasses import dataclass

import numpy as np

from gesturebench.common.corpus.standin.curves import FPS
from gesturebench.common.corpus.standin.script import Script
from gesturebench.common.corpus.standin.speech import Reading
from gesturebench.common.corpus.standin.style import Mood, Style


@dataclass(frozen=True, eq=False)
class Scene:
    """`prominence` (words,) in [0, 3], in the order of `reading.words`."""

    script: Script
    reading: Reading
    prominence: np.ndarray
    style: Style
    mood: Mood

    @property
    def duration_s(self) -> float:
        return self.reading.duration_s

    @property
    def n_frames(self) -> int:
        """Whole frames of motion within the speech."""
        return int(self.duration_s * FPS)

    @property
    def tempo(self) -> float:
        """Duration of this speaker's movements relative to the templates, in this mood."""
        return self.style.tempo * self.mood.tempo

    @property
    def size(self) -> float:
        """Size of this speaker's movements relative to the templates, in this mood."""
        return self.style.amplitude * self.mood.amplitude
