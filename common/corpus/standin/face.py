"""The face: mouth shapes from phones, jaw, brows, smile, frown and blinks, mixed into 100 expression coefficients."""

import numpy as np

from gesturebench.common.corpus.clip import EXPRESSION_DIM
from gesturebench.common.corpus.standin.curves import FPS, smooth, smooth_noise
from gesturebench.common.corpus.standin.scene import Scene
from gesturebench.common.seeds import numpy_generator

JAW_OPEN_RAD = 0.22
_CHANNELS = 8


def animate_face(scene: Scene, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Jaw axis-angle (T, 3) and expressions (T, 100)."""
    n, mood, words = scene.n_frames, scene.mood, scene.reading.words
    mouth = smooth(_held(n, [(p.start_s, p.end_s, p.mouth) for word in words for p in word.phones], 4), 1.5)
    accents = [(w.start_s, w.end_s, (x - 0.6,)) for w, x in zip(words, scene.prominence)]
    brow = mood.brow + 0.7 * smooth(_held(n, accents, 1), 3.0)
    drift = 0.15 * smooth_noise(rng, n, 3, 30) + (0.0, mood.smile, mood.frown)
    channels = np.hstack((mouth, brow + drift[:, :1], drift[:, 1:], _blinks(n, rng)))
    expressions = channels @ _mixing() + 0.03 * smooth_noise(rng, n, EXPRESSION_DIM, 8)
    jaw = np.zeros((n, 3))
    jaw[:, 0] = JAW_OPEN_RAD * mouth[:, 0]
    return jaw, expressions


def _held(n_frames: int, intervals: list[tuple[float, float, tuple[float, ...]]], dims: int) -> np.ndarray:
    """(T, dims) of values that hold over time intervals in seconds, zero elsewhere."""
    out = np.zeros((n_frames, dims))
    for start_s, end_s, values in intervals:
        first = round(start_s * FPS)
        out[first : max(round(end_s * FPS), first + 1)] = values
    return out


def _blinks(n_frames: int, rng: np.random.Generator) -> np.ndarray:
    """(T, 1): eyes close for about 0.2 s every 2 to 5 s."""
    moments = np.cumsum(rng.uniform(2, 5, n_frames // (2 * FPS) + 1)) * FPS
    frames = np.arange(n_frames)[:, None]
    return np.exp(-0.5 * ((frames - moments) / 2.0) ** 2).sum(1, keepdims=True)


def _mixing() -> np.ndarray:
    """(8, 100), the same for every corpus: each channel has a coefficient and leaks, decaying, into the others."""
    decay = 0.4 * 0.96 ** np.arange(EXPRESSION_DIM)
    leak = numpy_generator("standin-face").standard_normal((_CHANNELS, EXPRESSION_DIM)) * decay
    leak[:, :_CHANNELS] = 1.2 * np.eye(_CHANNELS)
    return leak
