"""The stand-in body: an `.npz` of our own geometry that the `smplx` package loads as `SMPLX_NEUTRAL_2020`.

Shape coefficients 0 to 6 are stature, girth, shoulder width, arm, leg and torso length, head size; the rest do
nothing. Expressions 0 to 7 are named bumps of the face, the others small smooth ones. Pose correctives are zero; hand
means are not, so code that forgets them fails.
"""

import functools
import io
from pathlib import Path

import numpy as np

from gesturebench.common.corpus.clip import BETA_DIM, EXPRESSION_DIM
from gesturebench.common.corpus.standin.mesh import Mesh, build_mesh
from gesturebench.common.corpus.standin.proportions import bone_tips
from gesturebench.common.files import writing
from gesturebench.common.motion.skeleton import JOINT, JOINT_NAMES, N_JOINTS, PARENTS
from gesturebench.common.user_cache import cache_folder

BODY_VERSION = 1
BODY_PATH = Path("smplx_models") / "smplx" / "SMPLX_NEUTRAL_2020.npz"
"""Where `smplx.create(folder / "smplx_models", "smplx", gender="NEUTRAL_2020")` looks, relative to a corpus folder."""

SHAPES = ("stature", "girth", "shoulders", "arms", "legs", "torso", "head")
_BONES_OF: dict[str, tuple[str, ...]] = {
    "shoulders": ("collar", "shoulder"), "arms": ("elbow", "wrist", "index", "middle", "ring", "pinky", "thumb"),
    "legs": ("knee", "ankle"),
    "torso": ("spine1", "spine2", "spine3", "neck"), "head": ("jaw", "eye"),
}  # fmt: skip
_LENGTH_PER_UNIT = {"stature": 0.025, "shoulders": 0.05, "arms": 0.02, "legs": 0.02, "torso": 0.02, "head": 0.02}

_FACE_BUMPS: tuple[tuple[tuple[float, float, float], tuple[float, float, float], float], ...] = (
    ((0, -0.01, 0.10), (0, -0.006, 0), 0.03), ((0, 0.0, 0.10), (0.004, 0, 0), 0.03),
    ((0, 0.0, 0.10), (0, 0, 0.004), 0.02),
    ((0, 0.0, 0.10), (0, 0.003, -0.002), 0.015), ((0, 0.085, 0.10), (0, 0.005, 0), 0.03),
    ((0.03, 0.005, 0.09), (0.002, 0.004, 0), 0.02),
    ((-0.03, 0.005, 0.09), (-0.002, 0.004, 0), 0.02), ((0, 0.06, 0.10), (0, -0.004, 0), 0.02),
)  # fmt: skip
"""Centre from the head joint, displacement at the centre per unit, width; metres."""


def hand_mean() -> np.ndarray:
    """(2, 45) radians: the relaxed curl that SMPL-X adds to stored hand poses, left then right."""
    curl = np.zeros((5, 3, 3))
    curl[:4, :, 2] = np.array([0.18, 0.26, 0.16]) + 0.03 * np.arange(4)[:, None]
    curl[4, :, 1] = (0.20, 0.15, 0.10)
    return np.stack((curl.ravel() * -1, curl.ravel()))


def write_body(path: Path) -> None:
    """Write the body model file (about 6 MB, always the same bytes on one machine)."""
    with writing(path) as part:
        part.write_bytes(_body_file())


@functools.cache
def _body_file() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **body_arrays())
    return buffer.getvalue()


def standin_body(cache: Path | None = None) -> Path:
    """The body model in the user's cache folder (`cache`, or the platform's), built on first use."""
    path = (cache or cache_folder()) / f"standin-body-{BODY_VERSION}" / BODY_PATH
    if not path.exists():
        write_body(path)
    return path


def body_arrays() -> dict[str, np.ndarray]:
    """Every array `smplx` asks for."""
    mesh = build_mesh()
    means = hand_mean()
    landmarks, contours = _face_landmarks(mesh)
    kintree = np.stack((np.asarray(PARENTS, np.int64), np.arange(N_JOINTS)))
    kintree[0, 0] = 2**32 - 1
    return {
        "v_template": mesh.vertices,
        "f": mesh.faces.astype(np.uint32),
        "J_regressor": mesh.regressor(),
        "kintree_table": kintree,
        "weights": mesh.skinning(),
        "shapedirs": np.concatenate((_shape_directions(mesh), _expression_directions(mesh)), axis=2).astype(np.float32),
        "posedirs": np.zeros((len(mesh.vertices), 3, 9 * (N_JOINTS - 1)), np.float32),
        "hands_componentsl": np.eye(45),
        "hands_componentsr": np.eye(45),
        "hands_meanl": means[0],
        "hands_meanr": means[1],
        "lmk_faces_idx": landmarks,
        "lmk_bary_coords": np.full((len(landmarks), 3), 1 / 3),
        "dynamic_lmk_faces_idx": contours,
        "dynamic_lmk_bary_coords": np.full((*contours.shape, 3), 1 / 3),
    }


def _shape_directions(mesh: Mesh) -> np.ndarray:
    """(V, 3, 300): shapes lengthen bones; a vertex moves with its joint, along its bone, away from its bone."""
    directions = np.zeros((len(mesh.vertices), 3, BETA_DIM))
    axes = bone_tips(mesh.joints) - mesh.joints
    for k, name in enumerate(SHAPES):
        stretch = np.array([_stretch(name, bone) for bone in JOINT_NAMES])
        joints = np.zeros((N_JOINTS, 3))
        for j in range(1, N_JOINTS):
            joints[j] = joints[PARENTS[j]] + stretch[j] * (mesh.joints[j] - mesh.joints[PARENTS[j]])
        along = mesh.along[:, None] * axes[mesh.joint_of]
        radial = mesh.vertices - mesh.joints[mesh.joint_of] - along
        outgoing = _outgoing(stretch)[mesh.joint_of]
        directions[:, :, k] = joints[mesh.joint_of] + outgoing[:, None] * along + _growth(name, mesh)[:, None] * radial
    return directions


def _stretch(shape: str, bone: str) -> float:
    """Relative change per unit of the bone that ends at the joint `bone`."""
    if shape == "stature":
        return _LENGTH_PER_UNIT["stature"]
    stem = bone.split("_")[-1].rstrip("123") if "_" in bone else bone
    return _LENGTH_PER_UNIT[shape] if stem in _BONES_OF.get(shape, ()) else 0.0


def _outgoing(stretch: np.ndarray) -> np.ndarray:
    """Stretch of the bone that starts at each joint: that of its first child, of a leaf its own."""
    return np.array([stretch[PARENTS.index(j)] if j in PARENTS else stretch[j] for j in range(N_JOINTS)])


def _growth(shape: str, mesh: Mesh) -> np.ndarray:
    rate = {"girth": 0.06, "stature": 0.02}.get(shape, 0.0)
    head = np.isin(mesh.joint_of, [JOINT[n] for n in ("head", "jaw", "left_eye", "right_eye")])
    return np.where(head, 0.02 if shape == "head" else rate / 4, rate)


def _expression_directions(mesh: Mesh) -> np.ndarray:
    """(V, 3, 100): bumps of the head that vanish on every joint's ring, so that no joint moves."""
    rng = np.random.default_rng(20)
    offset = mesh.vertices - mesh.joints[JOINT["head"]]
    face = np.isin(mesh.joint_of, [JOINT["head"], JOINT["jaw"]]) & ~mesh.on_ring
    directions = np.zeros((len(mesh.vertices), 3, EXPRESSION_DIM))
    for k in range(EXPRESSION_DIM):
        if k < len(_FACE_BUMPS):
            centre, push, width = _FACE_BUMPS[k]
        else:
            centre, push, width = (
                np.array((0, 0.03, 0.10)) + rng.normal(0, (0.03, 0.04, 0.01)),
                rng.normal(0, 0.0006, 3),
                0.025,
            )
        weight = np.exp(-((offset - centre) ** 2).sum(1) / (2 * width**2)) * face
        directions[:, :, k] = weight[:, None] * np.asarray(push)
    return directions


def _face_landmarks(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Face numbers of 51 inner landmarks and of (79, 17) contour points for neck angles of -39 to 39 degrees."""
    centres = mesh.vertices[mesh.faces].mean(1) - mesh.joints[JOINT["head"]]
    head = np.flatnonzero((mesh.joint_of[mesh.faces] == JOINT["head"]).all(1))
    brows = [(x, 0.085) for x in np.linspace(-0.05, 0.05, 10)]
    nose = [(0, y) for y in np.linspace(0.06, 0.03, 4)] + [(x, 0.022) for x in np.linspace(-0.012, 0.012, 5)]
    ring = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    eyes = [(side + 0.014 * np.cos(a), 0.06 + 0.006 * np.sin(a)) for side in (-0.032, 0.032) for a in ring[::2]]
    mouth = [(0.025 * np.cos(a), 0.0 + 0.01 * np.sin(a)) for a in ring] + [
        (0.018 * np.cos(a), 0.004 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ]
    inner = np.array([(x, y, 0.12) for x, y in [*brows, *nose, *eyes, *mouth]])
    yaw = np.deg2rad(np.arange(-39, 40))[:, None] + np.linspace(-np.pi / 2, np.pi / 2, 17)
    jaw_line = np.stack((0.08 * np.sin(yaw), np.full_like(yaw, 0.01), 0.02 + 0.1 * np.cos(yaw)), -1)
    return _nearest(centres, head, inner), _nearest(centres, head, jaw_line.reshape(-1, 3)).reshape(79, 17)


def _nearest(centres: np.ndarray, candidates: np.ndarray, points: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    return candidates[cKDTree(centres[candidates]).query(points)[1]]
