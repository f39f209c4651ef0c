"""The whole body of a clip: stance, trunk, head, arms, face, and a little noise in every dimension."""

from dataclasses import dataclass

import numpy as np

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.corpus.standin.arms import hand_channels, pose_arm
from gesturebench.common.corpus.standin.choreography import Choreography
from gesturebench.common.corpus.standin.curves import FPS, Movement, follow, smooth, smooth_noise
from gesturebench.common.corpus.standin.face import animate_face
from gesturebench.common.corpus.standin.scene import Scene
from gesturebench.common.corpus.standin.stance import BREATH_S, Step, stand
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.skeleton import JOINT, N_JOINTS

NOISE_RAD = 0.004
_NOD_WIDTH_S = 0.13


@dataclass(frozen=True, eq=False)
class Performance:
    """What the body did: 30 fps motion and the steps it made."""

    motion: Motion
    steps: tuple[Step, ...]


def perform(scene: Scene, plan: Choreography, body: JointModel, rng: np.random.Generator) -> Performance:
    """Move the body as planned, for as many whole frames as the speech has."""
    n, style = scene.n_frames, scene.style
    rest = body.rest_joints(style.betas)
    poses = np.zeros((n, N_JOINTS, 3))
    lower = stand(scene, rest, rng)
    for joint, rotation in lower.joints.items():
        poses[:, joint] = rotation
    extras = _head_and_shoulders(scene, plan)
    _pose_trunk(poses, scene, rng)
    _pose_head(poses, scene, extras[:, :3], rng)
    for left, mean in ((True, body.hand_mean[:45]), (False, body.hand_mean[45:])):
        channels = hand_channels(scene, plan, left, rng)
        arm = pose_arm(channels, left, rest, style.swivel, extras[:, 3], mean.reshape(15, 3))
        side = "left" if left else "right"
        for name in ("collar", "shoulder", "elbow", "wrist"):
            poses[:, JOINT[f"{side}_{name}"]] = getattr(arm, name)
        first = JOINT[f"{side}_index1"]
        poses[:, first : first + 15] = arm.fingers
    poses[:, JOINT["jaw"]], expressions = animate_face(scene, rng)
    poses += NOISE_RAD * smooth_noise(rng, n, 3 * N_JOINTS, 8).reshape(poses.shape)
    arrays = (a.astype(np.float32) for a in (poses.reshape(n, -1), expressions, lower.trans))
    return Performance(Motion(*arrays, betas=style.betas, fps=float(FPS)), lower.steps)


def _head_and_shoulders(scene: Scene, plan: Choreography) -> np.ndarray:
    """(T, 4): head pitch, yaw, roll and shoulder lift of the gestures; sideways means to the dominant hand."""
    side = 1.0 if scene.style.left_handed else -1.0
    toward = np.array([1.0, side, -side, 1.0])
    movements = [
        Movement(
            g.prep_s, g.stroke_s, g.end_s, g.hold_s, (np.array([*g.template.head, g.template.shoulders]) * toward)[None]
        )
        for g in plan.gestures
    ]
    return smooth(follow(movements, np.zeros(4), scene.n_frames, scene.tempo), 3.0)


def _pose_trunk(poses: np.ndarray, scene: Scene, rng: np.random.Generator) -> None:
    """Lean shared by three vertebrae, slow sway, breathing in the chest."""
    n = len(poses)
    sway = smooth_noise(rng, n, 9, 40).reshape(n, 3, 3) * (0.012, 0.025, 0.012)
    sway[..., 0] += 0.25 * (scene.style.lean + scene.mood.lean)
    sway[:, 2, 0] += 0.008 * np.sin(2 * np.pi * np.arange(n) / (BREATH_S * FPS))
    for k, name in enumerate(("spine1", "spine2", "spine3")):
        poses[:, JOINT[name]] = sway[:, k]


def _pose_head(poses: np.ndarray, scene: Scene, extra: np.ndarray, rng: np.random.Generator) -> None:
    """Nods on prominent words, slow gaze, what gestures ask for; neck and head share the turn, the eyes add to it."""
    times = np.arange(len(poses))[:, None] / FPS
    words = np.array([(w.start_s + w.end_s) / 2 for w in scene.reading.words])
    nods = np.exp(-0.5 * ((times - words) / _NOD_WIDTH_S) ** 2) @ np.maximum(scene.prominence - 0.5, 0)
    gaze = smooth_noise(rng, len(poses), 2, 25)
    turn = extra.copy()
    turn[:, 0] += 0.06 * nods - 0.15 * scene.style.lean
    turn[:, :2] += gaze * (0.03, 0.10)
    turn *= scene.style.head_gain
    poses[:, JOINT["neck"]], poses[:, JOINT["head"]] = 0.4 * turn, 0.6 * turn
    for eye in ("left_eye", "right_eye"):
        poses[:, JOINT[eye], :2] = 0.5 * gaze * (0.05, 0.12)
