"""Film strips: stick figures of one motion at chosen moments, as a PNG that reads on light and dark pages."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gesturebench.common.corpus.clip import Motion, Speech, TruthEvent
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.skeleton import EYES, HANDS, JAW, JOINT, N_JOINTS, PARENTS

TRAIL_S = 0.5
"""Seconds of wrist path drawn before and after each figure."""

_WIDTH_M, _LOW_M, _HIGH_M = 1.5, -0.98, 0.92
_HEAD_RADIUS_M = 0.11
_BONES = tuple(joint for joint in range(1, N_JOINTS) if joint not in (*HANDS, *JAW, *EYES))
_BODY, _FINGER, _LEFT, _RIGHT = "#7a8290", "#9aa2b0", "#d9822b", "#3a86d4"


@dataclass(frozen=True)
class Moment:
    """A moment worth a picture: when, which word, and what the stand-in's truth says about it (may be empty)."""

    time_s: float
    word: str
    tag: str = ""


def choose_moments(
    speech: Speech, truth: Sequence[TruthEvent], duration_s: float, count: int = 8
) -> tuple[Moment, ...]:
    """Moments spread over the clip: ends of true strokes, else middles of words, else equal steps."""
    found = [Moment(event.end_s, event.word, event.tag) for event in truth]
    found = found or [Moment((word.start_s + word.end_s) / 2, word.text) for word in speech.words]
    found = found or [Moment(t, "") for t in np.linspace(0, duration_s, count + 2)[1:-1].tolist()]
    found = [moment for moment in found if moment.time_s < duration_s]
    chosen = np.unique(np.linspace(0, len(found) - 1, count).round().astype(int)) if found else []
    return tuple(found[i] for i in chosen)


def film_strip(motion: Motion, joints: JointModel, moments: Sequence[Moment]) -> bytes:
    """PNG of one front view per moment, side by side, with the wrists' paths around it (left orange, right blue)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.5 * len(moments), 1.9), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    for index, moment in enumerate(moments):
        _draw(axes, *_around(motion, joints, moment.time_s), index * _WIDTH_M)
    axes.set_xlim(-_WIDTH_M / 2, (len(moments) - 0.5) * _WIDTH_M)
    axes.set_ylim(_LOW_M, _HIGH_M)
    axes.set_aspect("equal")
    axes.axis("off")
    out = io.BytesIO()
    figure.savefig(out, format="png", transparent=True)
    return out.getvalue()


def _around(motion: Motion, joints: JointModel, time_s: float) -> tuple[np.ndarray, int]:
    """(T, 55, 3) positions around a moment, centred on the pelvis of the moment, and the moment's index among them."""
    frame = min(int(time_s * motion.fps), motion.n_frames - 1)
    reach = round(TRAIL_S * motion.fps)
    start = max(0, frame - reach)
    positions = joints.positions(motion.cut(start, frame + reach + 1))
    return positions - positions[frame - start, 0], frame - start


def _draw(axes, positions_TJ3: np.ndarray, now: int, x: float) -> None:
    """The camera looks along -z, so +x, the subject's left, is on the right of the picture."""
    from matplotlib.collections import LineCollection

    flat_TJ2 = positions_TJ3[..., :2] + (x, 0)
    body_J2 = flat_TJ2[now]
    for joints, colour, width in ((_BONES, _BODY, 2.2), (HANDS, _FINGER, 0.8)):
        bones = [body_J2[[joint, PARENTS[joint]]] for joint in joints]
        axes.add_collection(LineCollection(bones, colors=colour, linewidths=width, capstyle="round"))
    angle = np.linspace(0, 2 * np.pi, 40)
    head = body_J2[JOINT["head"]] + (0, 0.7 * _HEAD_RADIUS_M)
    ring = head + _HEAD_RADIUS_M * np.stack([0.8 * np.cos(angle), np.sin(angle)], 1)
    paths = [flat_TJ2[:, JOINT["left_wrist"]], flat_TJ2[:, JOINT["right_wrist"]]]
    axes.add_collection(LineCollection([ring, *paths], colors=[_BODY, _LEFT, _RIGHT], linewidths=1.4))
    axes.scatter(*body_J2[[JOINT["left_wrist"], JOINT["right_wrist"]]].T, c=[_LEFT, _RIGHT], s=14, zorder=3)
