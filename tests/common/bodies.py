"""A made-up body in which everything depends on everything: what a shortcut leaves out shows."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.motion.skeleton import N_JOINTS, PARENTS


def dense_body(n_vertices: int = 40, seed: int = 0) -> dict[str, np.ndarray]:
    """SMPL-X arrays: every joint carries every vertex, every coefficient and every pose corrective moves it, and
    expressions move all joints."""
    rng = np.random.default_rng(seed)
    regressor, weights = rng.exponential(size=(N_JOINTS, n_vertices)), rng.exponential(size=(n_vertices, N_JOINTS))
    return {
        "v_template": rng.normal(0, 0.3, (n_vertices, 3)),
        "shapedirs": rng.normal(0, 0.005, (n_vertices, 3, 400)),
        "posedirs": rng.normal(0, 0.01, (n_vertices, 3, 9 * (N_JOINTS - 1))),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.array([PARENTS, range(N_JOINTS)]),
        "hands_meanl": rng.normal(0, 0.3, 45),
        "hands_meanr": rng.normal(0, 0.3, 45),
        "f": rng.integers(0, n_vertices, (30, 3)).astype(np.uint32),
    }


def written(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(path, **arrays)
    return path


def plain_vertices(body: dict[str, np.ndarray], motion: Motion) -> np.ndarray:
    """(T, V, 3) by the textbook, frame by frame, with 4 x 4 matrices in float64."""
    frames = [_plain_frame(body, motion, t) for t in range(motion.n_frames)]
    return np.stack(frames) + motion.trans[:, None]


def _plain_frame(body: dict[str, np.ndarray], motion: Motion, t: int) -> np.ndarray:
    coefficients = np.concatenate((motion.betas, motion.expressions[t])).astype(np.float64)
    shaped = body["v_template"] + body["shapedirs"] @ coefficients
    joints = body["J_regressor"] @ shaped
    pose = motion.poses[t].astype(np.float64)
    pose[75:] += np.concatenate((body["hands_meanl"], body["hands_meanr"]))
    turns = Rotation.from_rotvec(pose.reshape(N_JOINTS, 3)).as_matrix()
    posed = shaped + body["posedirs"] @ (turns[1:] - np.eye(3)).ravel()
    world = []
    for joint, parent in enumerate(PARENTS):
        local = np.eye(4)
        local[:3, :3] = turns[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if joint else 0)
        world.append(world[parent] @ local if joint else local)
    home = np.tile(np.eye(4), (N_JOINTS, 1, 1))
    home[:, :3, 3] = -joints
    transforms = np.einsum("vj,jab->vab", body["weights"], np.stack(world) @ home)
    return np.einsum("vab,vb->va", transforms, np.concatenate((posed, np.ones((len(posed), 1))), axis=1))[:, :3]
