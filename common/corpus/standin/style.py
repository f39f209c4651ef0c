"""Who the speakers are: body, voice, temperament, their own variant of every gesture; and what emotions change."""

from dataclasses import dataclass

import numpy as np

from gesturebench.common.corpus.clip import BETA_DIM
from gesturebench.common.corpus.standin.body import SHAPES
from gesturebench.common.corpus.standin.speech import Voice
from gesturebench.common.corpus.standin.templates import TEMPLATES
from gesturebench.common.seeds import numpy_generator

_VOICES = ("en-us", "en", "en-gb-scotland", "en-us-nyc", "en-gb-x-rp", "en-029", "en-gb-x-gbclan", "en-gb-x-gbcwmd")
_TIMBRES = ("m1", "f1", "m3", "f2", "m7", "f3", "m4", "f4")

RESTS: dict[str, tuple[float, float, float]] = {
    "at the sides": (0.16, -0.92, 0.16),
    "before the belly": (-0.16, -0.66, 0.42),
    "at the waist": (0.04, -0.70, 0.46),
}
"""Where the hands rest: (outward, up, forward) from the shoulder in arm lengths."""


@dataclass(frozen=True, eq=False)
class Variant:
    """A speaker's own way of one gesture.

    Shifted by `offset` (3,) arm lengths, turned by `turn` radians seen from the front, maybe made with both hands.
    """

    offset: np.ndarray
    turn: float
    both: bool


@dataclass(frozen=True, eq=False)
class Style:
    """What stays the same over a speaker's clips. Rates are probabilities, angles radians, positions arm lengths."""

    speaker: int
    betas: np.ndarray
    voice: Voice
    left_handed: bool
    amplitude: float
    tempo: float
    semantic_rate: float
    beat_rate: float
    beat_lag_s: float
    rest: np.ndarray
    lean: float
    head_gain: float
    palm_offset: float
    swivel: float
    stance: float
    variants: dict[str, Variant]


@dataclass(frozen=True, slots=True)
class Mood:
    """What an emotion scales (gesture size, duration, speech rate) and adds (pitch, brow, smile, frown, lean)."""

    amplitude: float = 1.0
    tempo: float = 1.0
    rate: float = 1.0
    pitch: int = 0
    brow: float = 0.0
    smile: float = 0.1
    frown: float = 0.0
    lean: float = 0.0


MOODS: tuple[Mood, ...] = (
    Mood(),
    Mood(1.15, 0.95, 1.05, 6, 0.2, 0.8, 0.0, -0.02),
    Mood(1.30, 0.85, 1.10, 3, -0.6, 0.0, 0.8, 0.08),
    Mood(0.65, 1.20, 0.88, -6, 0.1, 0.0, 0.5, 0.10),
    Mood(0.85, 1.05, 0.96, -3, -0.2, 0.3, 0.3, -0.06),
    Mood(1.15, 0.92, 1.04, 8, 0.9, 0.3, 0.0, -0.04),
    Mood(0.80, 0.90, 1.08, 6, 0.6, 0.0, 0.4, -0.08),
    Mood(0.95, 1.00, 0.97, -2, -0.4, 0.0, 0.7, -0.03),
)
"""By BEAT emotion number: neutral, happiness, anger, sadness, contempt, surprise, fear, disgust."""


def speaker_style(seed: int, speaker: int) -> Style:
    """The style of a speaker; it depends on the corpus seed and the speaker number alone."""
    rng = numpy_generator("standin-style", seed, speaker)
    betas = np.zeros(BETA_DIM, np.float32)
    betas[: len(SHAPES)] = np.clip(rng.normal(0, 0.8, len(SHAPES)), -2, 2)
    return Style(
        speaker=speaker,
        betas=betas,
        voice=_voice(speaker, rng),
        left_handed=bool(rng.random() < 0.15),
        amplitude=rng.uniform(0.75, 1.25),
        tempo=rng.uniform(0.85, 1.2),
        semantic_rate=rng.uniform(0.75, 0.95),
        beat_rate=rng.uniform(0.45, 0.85),
        beat_lag_s=rng.normal(0, 0.02),
        rest=np.asarray(list(RESTS.values())[rng.integers(len(RESTS))]) + rng.normal(0, 0.02, 3),
        lean=rng.uniform(-0.04, 0.08),
        head_gain=rng.uniform(0.6, 1.4),
        palm_offset=rng.normal(0, 0.15),
        swivel=rng.normal(0, 0.15),
        stance=rng.uniform(0.02, 0.06),
        variants={tag: _variant(rng) for tag in TEMPLATES},
    )


def _voice(speaker: int, rng: np.random.Generator) -> Voice:
    timbre = _TIMBRES[speaker % len(_TIMBRES)]
    name = f"{_VOICES[speaker % len(_VOICES)]}+{timbre}"
    return Voice(name, int(rng.integers(150, 185)), int(rng.integers(35, 65)), int(rng.integers(40, 75)))


def _variant(rng: np.random.Generator) -> Variant:
    return Variant(rng.normal(0, 0.06, 3), rng.normal(0, 0.25), bool(rng.random() < 0.3))


def mood_voice(voice: Voice, mood: Mood) -> Voice:
    return Voice(
        voice.name, round(voice.rate * mood.rate), int(np.clip(voice.pitch + mood.pitch, 5, 95)), voice.pitch_range
    )
