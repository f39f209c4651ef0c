"""The stand-in skin: one capsule of vertex rings per bone, an ellipsoid for the head; 10,475 vertices as in SMPL-X.

The first ring of every capsule is centred on its joint. A regressor row with equal weights on that ring therefore
returns the joint exactly, also after any displacement that moves the ring's mean with the joint. Legend: V vertices,
R vertices per ring.
"""

from dataclasses import dataclass

import numpy as np

from gesturebench.common.corpus.standin.proportions import bone_tips, rest_joints
from gesturebench.common.motion.skeleton import JOINT, JOINT_NAMES, N_JOINTS, PARENTS

N_VERTICES = 10_475
_BODY_GRID, _SMALL_GRID, _HEAD_GRID = (12, 18), (5, 8), (149, 31)

_RADII: dict[str, tuple[float, float]] = {
    "pelvis": (0.15, 0.105), "spine1": (0.135, 0.10), "spine2": (0.135, 0.10), "spine3": (0.125, 0.095),
    "neck": (0.055, 0.06), "collar": (0.05, 0.05),
    "shoulder": (0.046, 0.046), "elbow": (0.036, 0.036), "wrist": (0.022, 0.04), "hip": (0.078, 0.08),
    "knee": (0.054, 0.056), "ankle": (0.042, 0.045),
    "foot": (0.04, 0.022), "jaw": (0.03, 0.02), "eye": (0.012, 0.012),
}  # fmt: skip
_FINGER_RADII = (0.0085, 0.0085)

LANDMARKS: dict[int, tuple[str, tuple[float, float, float]]] = {
    9120: ("head", (0.0, 0.02, 0.16)), 9929: ("head", (-0.032, 0.06, 0.10)), 9448: ("head", (0.032, 0.06, 0.10)),
    616: ("head", (-0.08, 0.05, 0.01)), 6: ("head", (0.08, 0.05, 0.01)),
    5361: ("left_thumb3", (1, 0, 0)), 4933: ("left_index3", (1, 0, 0)), 5058: ("left_middle3", (1, 0, 0)),
    5169: ("left_ring3", (1, 0, 0)),
    5286: ("left_pinky3", (1, 0, 0)), 8079: ("right_thumb3", (-1, 0, 0)), 7669: ("right_index3", (-1, 0, 0)),
    7794: ("right_middle3", (-1, 0, 0)),
    7905: ("right_ring3", (-1, 0, 0)), 8022: ("right_pinky3", (-1, 0, 0)), 5770: ("left_foot", (-0.03, 0, 1)),
    5780: ("left_foot", (0.05, 0, 1)),
    8846: ("left_ankle", (0, -0.05, -0.2)), 8463: ("right_foot", (0.03, 0, 1)), 8474: ("right_foot", (-0.05, 0, 1)),
    8635: ("right_ankle", (0, -0.05, -0.2)),
}  # fmt: skip
"""Vertices that `smplx` names (nose, eyes, ears, finger tips, toes, heels): their bone, an aim seen from its joint."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """`vertices` (V, 3), `faces` (F, 3).

    Per vertex: its joint, how far `along` the bone it is in [0, 1], whether it is of the first ring.
    """

    joints: np.ndarray
    vertices: np.ndarray
    faces: np.ndarray
    joint_of: np.ndarray
    along: np.ndarray
    on_ring: np.ndarray

    def regressor(self) -> np.ndarray:
        """(55, V) rows of equal weights on the first ring of each joint."""
        rows = (self.joint_of[None] == np.arange(N_JOINTS)[:, None]) & self.on_ring
        return rows / rows.sum(1, keepdims=True)

    def skinning(self) -> np.ndarray:
        """(V, 55) weights: the bone's own joint, blended with its parent over the first quarter of the bone."""
        own = np.minimum(1.0, 0.5 + 2.0 * self.along)
        weights = np.zeros((len(self.vertices), N_JOINTS))
        rows = np.arange(len(weights))
        weights[rows, np.maximum(np.asarray(PARENTS)[self.joint_of], 0)] = 1 - own
        weights[rows, self.joint_of] += own
        return weights


def build_mesh() -> Mesh:
    joints = rest_joints()
    tips = bone_tips(joints)
    parts = [
        _head(joints[j]) if name == "head" else _capsule(joints[j], tips[j], name) for j, name in enumerate(JOINT_NAMES)
    ]
    sizes = [len(vertices) for vertices, _, _ in parts]
    offsets = np.cumsum([0, *sizes[:-1]])
    along = np.concatenate([t for _, t, _ in parts])
    mesh = Mesh(
        joints,
        np.concatenate([v for v, _, _ in parts]),
        np.concatenate([f + offset for (_, _, f), offset in zip(parts, offsets)]),
        np.repeat(np.arange(N_JOINTS), sizes),
        along,
        along == 0,
    )
    return _renumbered(mesh)


def _capsule(start: np.ndarray, tip: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kind = name.split("_")[-1]
    wide, deep = _RADII.get(kind, _FINGER_RADII)
    rings, around = _BODY_GRID if kind in _RADII and kind not in ("jaw", "eye") else _SMALL_GRID
    t = np.linspace(0, 1, rings)
    side, front = _perpendiculars(tip - start)
    angle = 2 * np.pi * np.arange(around) / around
    rim = wide * np.cos(angle)[:, None] * side + deep * np.sin(angle)[:, None] * front
    swell = 0.8 + 0.2 * np.sin(np.pi * t)
    vertices = start + t[:, None, None] * (tip - start) + swell[:, None, None] * rim
    return vertices.reshape(-1, 3), np.repeat(t, around), _lathe_faces(rings, around)


def _head(joint: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An ellipsoid from neck to crown with a nose; its rings start at the joint and drift forward."""
    rings, around = _HEAD_GRID
    t = np.linspace(0, 1, rings)
    angle = 2 * np.pi * (np.arange(around) + 0.5) / around
    height = 0.20 * (1 - np.cos(np.pi * t)) / 2
    radius = np.sqrt(np.clip(1 - ((height - 0.085) / 0.118) ** 2, 0.001, None))
    drift = 0.02 * np.minimum(1, 4 * t)
    x = radius[:, None] * 0.075 * np.cos(angle)
    z = radius[:, None] * 0.095 * np.sin(angle) + drift[:, None]
    y = np.broadcast_to(height[:, None], x.shape)
    vertices = np.stack((x, y, z), -1)
    nose = np.exp(-((x / 0.012) ** 2 + ((y - 0.03) / 0.015) ** 2)) * (z > 0) * (t[:, None] > 0)
    vertices[..., 2] += 0.022 * nose
    return (joint + vertices).reshape(-1, 3), np.repeat(t, around), _lathe_faces(rings, around)


def _perpendiculars(axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors across a bone; the second forward, or upward where the bone points forward."""
    axis = axis / np.linalg.norm(axis)
    reference = np.array([0.0, 0.0, 1.0]) if abs(axis[2]) < 0.8 else np.array([0.0, 1.0, 0.0])
    front = reference - axis * (axis @ reference)
    front /= np.linalg.norm(front)
    return np.cross(front, axis), front


def _lathe_faces(rings: int, around: int) -> np.ndarray:
    """Triangles between neighbouring rings, and a fan that closes each end."""
    ring, k = np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij")
    a, b = ring * around + k, ring * around + (k + 1) % around
    wall = np.concatenate((np.stack((a, b, a + around), -1), np.stack((b, b + around, a + around), -1))).reshape(-1, 3)
    fan = np.stack((np.zeros(around - 2, int), np.arange(2, around), np.arange(1, around - 1)), -1)
    top = fan[:, ::-1] + (rings - 1) * around
    return np.concatenate((wall, fan, top))


def _renumbered(mesh: Mesh) -> Mesh:
    """Exchange vertex numbers so that every number `smplx` has a name for lies where the name says."""
    order = np.arange(N_VERTICES)
    taken: list[int] = []
    for number, (bone, aim) in LANDMARKS.items():
        distance = np.linalg.norm(mesh.vertices - (mesh.joints[JOINT[bone]] + aim), axis=1)
        distance[mesh.joint_of != JOINT[bone]] = np.inf
        distance[taken] = np.inf
        best = int(distance.argmin())
        taken.append(best)
        at = int(np.flatnonzero(order == best)[0])
        order[number], order[at] = order[at], order[number]
    new_number = np.argsort(order)
    return Mesh(
        mesh.joints,
        mesh.vertices[order],
        new_number[mesh.faces],
        mesh.joint_of[order],
        mesh.along[order],
        mesh.on_ring[order],
    )
