"""From choreography to arms and fingers: wrist paths in the trunk's frame, analytic elbows, palms, hand shapes."""

from dataclasses import dataclass

import numpy as np

from gesturebench.common.corpus.standin.choreography import Beat, Choreography, Gesture
from gesturebench.common.corpus.standin.curves import FPS, Movement, follow, smooth, smooth_noise
from gesturebench.common.corpus.standin.limbs import about, rotations, turned, two_bone, unit, vectors
from gesturebench.common.corpus.standin.scene import Scene
from gesturebench.common.corpus.standin.style import Style
from gesturebench.common.corpus.standin.templates import SHAPES
from gesturebench.common.motion.skeleton import JOINT

BEAT_WIDTH_S = 0.085
_POLE = np.array([0.60, -0.60, -0.55])
_PALM = np.array([-0.5, -0.75, -0.45])
"""Elbow and palm reference directions (outward, up, forward); oblique, because "palm down" is undefined for a hanging
arm.
"""
_REST_PALM, _MOST_TWIST = 0.15, 2.0
_MIDLINE = 0.28
"""How far inward a hand may go when both gesture, in arm lengths: about the middle of the body."""
_CURL_BY_KNUCKLE = np.array([1.0, 1.1, 0.7])
_SPREAD_BY_FINGER = (1.0, 0.2, -1.2, -0.5)
_PALM_CHANNEL, _SHAPE_CHANNELS = 3, slice(4, 10)


@dataclass(frozen=True, eq=False)
class Arm:
    """Axis-angle (T, 3) of one arm's joints, and of its fingers (T, 15, 3) without the model's hand mean."""

    collar: np.ndarray
    shoulder: np.ndarray
    elbow: np.ndarray
    wrist: np.ndarray
    fingers: np.ndarray


def hand_channels(scene: Scene, plan: Choreography, left: bool, rng: np.random.Generator) -> np.ndarray:
    """(T, 10): wrist (outward, up, forward) in arm lengths, palm supination, five curls and the spread of one hand."""
    side = "left" if left else "right"
    movements = [_movement(g, left, scene.style) for g in plan.gestures if g.hands in ("both", side)]
    rest = np.array([*scene.style.rest, _REST_PALM, *SHAPES["rest"]])
    channels = follow(movements, rest, scene.n_frames, scene.tempo)
    share = 1.0 if left == scene.style.left_handed else 0.35
    channels[:, :3] += share * _beat_pulses(plan.beats, scene.n_frames, scene.tempo)
    channels[:, :3] += 0.012 * smooth_noise(rng, scene.n_frames, 3, 20)
    return smooth(channels, 1.2)


def _movement(gesture: Gesture, left: bool, style: Style) -> Movement:
    """The template as made this time: turned and scaled about its centre, shifted, perhaps run backwards."""
    template, variant = gesture.template, style.variants[gesture.tag]
    centre = template.path.mean(0)
    c, s = np.cos(variant.turn), np.sin(variant.turn)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    path = centre + gesture.amplitude * (template.path - centre) @ turn.T + variant.offset + gesture.jitter
    if gesture.hands == "both":
        path[:, 0] = np.maximum(path[:, 0], -_MIDLINE)
    if template.hands == "alternate" and left != style.left_handed:
        path = path[::-1]
    posture = np.array([template.palm + style.palm_offset, *SHAPES[template.shape]])
    keys = np.hstack((path, np.broadcast_to(posture, (len(path), len(posture)))))
    return Movement(gesture.prep_s, gesture.stroke_s, gesture.end_s, gesture.hold_s, keys)


def _beat_pulses(beats: tuple[Beat, ...], n_frames: int, tempo: float) -> np.ndarray:
    """(T, 3) downward Gaussian pulses, each after a shallow swing the other way."""
    if not beats:
        return np.zeros((n_frames, 3))
    width = BEAT_WIDTH_S * tempo
    times = np.arange(n_frames)[:, None] / FPS - np.array([b.time_s for b in beats])
    pulse = np.exp(-0.5 * (times / width) ** 2) - 0.45 * np.exp(-0.5 * ((times + 2.2 * width) / width) ** 2)
    size = pulse @ np.array([b.amplitude for b in beats])
    return size[:, None] * np.array([0.0, -1.0, 0.35])


def pose_arm(
    channels: np.ndarray, left: bool, rest: np.ndarray, swivel: float, lift: np.ndarray, hand_mean: np.ndarray
) -> Arm:
    """Joint rotations that bring the wrist where `channels` (T, 10) say.

    `rest` (55, 3) rest joints, `swivel` of the elbow about shoulder-wrist and `lift` (T,) of the shoulder in radians.
    """
    sign, side = (1.0, "left") if left else (-1.0, "right")
    across = np.array([sign, 1.0, 1.0])
    shoulder, elbow, wrist = (rest[JOINT[f"{side}_{name}"]] for name in ("shoulder", "elbow", "wrist"))
    lengths = float(np.linalg.norm(elbow - shoulder)), float(np.linalg.norm(wrist - elbow))
    target = channels[:, :3] * across * sum(lengths)
    pole = turned(np.broadcast_to(_POLE * across, target.shape), unit(target), sign * swivel)
    d, h = np.array([sign, 0, 0]), np.array([0, -sign, 0])
    upper, bend = two_bone(target, pole, lengths, d, h)
    hinge = about(h, bend)
    twist = _palm_twist(upper @ hinge, d, _PALM * across) - sign * channels[:, _PALM_CHANNEL]
    half = about(
        d, smooth(np.clip(twist, -_MOST_TWIST, _MOST_TWIST), 1.0) / 2
    )  # half in the forearm, half in the wrist
    collar = rotations(lift[:, None] * np.array([0.0, 0.0, sign]))
    return Arm(
        vectors(collar),
        vectors(np.swapaxes(collar, 1, 2) @ upper),
        vectors(hinge @ half),
        vectors(half),
        _fingers(channels[:, _SHAPE_CHANNELS], sign) - hand_mean,
    )


def _palm_twist(forearm: np.ndarray, d: np.ndarray, palm: np.ndarray) -> np.ndarray:
    """Angle (T,) about the forearm that turns the palm (down at rest) towards the direction `palm`."""
    axis, normal = forearm @ d, forearm @ np.array([0.0, -1.0, 0.0])
    wanted = palm - (axis @ palm)[:, None] * axis
    return np.arctan2((np.cross(normal, wanted) * axis).sum(1), (normal * wanted).sum(1))


def _fingers(shape: np.ndarray, sign: float) -> np.ndarray:
    """(T, 6) curls and spread -> (T, 15, 3) in the model's order index, middle, pinky, ring, thumb."""
    index, middle, ring, pinky, thumb, spread = shape.T
    fingers = np.zeros((len(shape), 5, 3, 3))
    for k, (curl, fan) in enumerate(zip((index, middle, pinky, ring), _SPREAD_BY_FINGER)):
        fingers[:, k, :, 2] = -sign * curl[:, None] * _CURL_BY_KNUCKLE
        fingers[:, k, 0, 1] = -sign * fan * spread
    fingers[:, 4, :, 1] = sign * thumb[:, None] * np.array([0.5, 0.8, 0.8])
    return fingers.reshape(len(shape), 15, 3)
