"""Motion beats and how well they fall together with the beats of speech: the arithmetic under beat consistency.

Legend: T frames, J joints, A audio beats, M motion beats. Times are seconds.
"""

import numpy as np

from gesturebench.evaluators.pairs import FPS


def relative_speed(positions: np.ndarray, mean_speed: np.ndarray) -> np.ndarray:
    """(T, 3J) metres -> (T, J): speed by central differences, one-sided at the ends, over the joint's mean speed (J,)
    in m/s, in the precision of the positions."""
    velocity = np.empty_like(positions)
    np.subtract(positions[2:], positions[:-2], out=velocity[1:-1])
    velocity[0], velocity[-1] = 2 * (positions[1] - positions[0]), 2 * (positions[-1] - positions[-2])
    velocity /= 2 / FPS
    x2, y2, z2 = np.moveaxis(np.square(velocity, out=velocity).reshape(len(positions), -1, 3), -1, 0)
    return np.sqrt(x2 + y2 + z2) / mean_speed


def local_minima(values: np.ndarray, order: int) -> np.ndarray:
    """(T, J) bool: values strictly below the `order` before and the `order` after them.

    Beyond an end the end's value goes on, so the first and the last frame are never minima: the rule of
    `scipy.signal.argrelextrema` with `numpy.less` and mode `clip`, for all columns at once.

    >>> local_minima(np.array([[3.0], [1.0], [2.0], [2.0]]), 1).ravel()
    array([False,  True, False, False])
    """
    n = len(values)
    lowest = np.empty((n + 2 * order, values.shape[1]))
    lowest[:order], lowest[order:-order], lowest[-order:] = values[:1], values, values[-1:]
    # minima of ever wider windows, to and fro between two buffers: fresh memory costs more than the comparisons
    spare, width = np.empty_like(lowest), 1
    while width < order:
        step = min(width, order - width)
        lowest, spare = np.minimum(lowest[:-step], lowest[step:], out=spare[: len(lowest) - step]), lowest
        width += step
    # lowest[t] now covers the `order` frames before frame t, lowest[t + order + 1] those after it
    return (values < lowest[:n]) & (values < lowest[order + 1 :])


def alignment(asking_s: np.ndarray, beats_s: np.ndarray, sigma_s: float) -> float:
    """Mean over the beats that ask, (A,), of exp(-d^2 / 2 sigma^2), d the distance to the nearest of the sorted beats
    (M,); 0 if there is none of either.

    >>> alignment(np.array([1.0, 2.0]), np.array([1.0, 2.0]), 0.3)
    1.0
    """
    if not len(beats_s) or not len(asking_s):
        return 0.0
    after = np.searchsorted(beats_s, asking_s)
    before_s, after_s = beats_s[np.maximum(after - 1, 0)], beats_s[np.minimum(after, len(beats_s) - 1)]
    nearest = np.minimum(np.abs(asking_s - before_s), np.abs(asking_s - after_s))
    return float(np.exp(-(nearest**2) / (2 * sigma_s**2)).mean())
