"""Skinning, joints, foot contact and face errors."""

from collections.abc import Iterator

import numpy as np

from gesturebench.common.motion.body import skinned
from gesturebench.common.motion.kinematics import forward_kinematics, rotation_matrices
from gesturebench.common.motion.parts import contacts
from gesturebench.common.motion.skeleton import FEET, N_JOINTS, PARENTS
from gesturebench.evaluators.face import FaceErrors
from tests.parity.frame import Check, Golden, case, near, same

MSE_SCALE, LVD_SCALE = 1e8, 1e5
"""Errors are compared as they are printed: raw they are so small that any two would agree."""


@case("evaluators/body_fk_contact.npz")
def body(golden: Golden) -> Iterator[Check]:
    yield same("lbs/parents", PARENTS, golden["lbs/parents"])
    yield from _skinning(golden.under("lbs/"))
    local = rotation_matrices(golden["fk/poses"].astype(np.float64).reshape(-1, N_JOINTS, 3))
    joints = forward_kinematics(local, golden["fk/rest_joints"])
    yield near("fk/joints", joints + golden["fk/trans"][:, None], golden["fk/joints"])
    yield same("foot/contacts", contacts(golden["foot/feet_joints"]), golden["foot/contacts"].astype(bool))
    yield near("foot/feet_joints", (joints + golden["fk/trans"][:, None])[:, FEET], golden["foot/feet_joints"])


def _skinning(given: dict[str, np.ndarray]) -> Iterator[Check]:
    template, directions = given["v_template"].astype(np.float64), given["shapedirs"].astype(np.float64)
    shaped_TV3 = template + np.einsum("vck,tk->tvc", directions, given["betas"])
    rest = np.einsum("jv,tvc->tjc", given["J_regressor"].astype(np.float64), shaped_TV3)
    local = rotation_matrices(given["pose"].astype(np.float64).reshape(-1, N_JOINTS, 3))
    correctives = given["posedirs"].T.reshape(len(template), 3, -1)
    shaped_3VT = shaped_TV3.reshape(len(local), -1).T
    yield near("lbs/vertices", skinned(shaped_3VT, local, rest, correctives, given["weights"]), given["vertices"])
    yield near("lbs/joints", forward_kinematics(local, rest), given["joints"])


@case("evaluators/face.npz")
def face(golden: Golden) -> Iterator[Check]:
    clips = [name for name in golden.groups() if f"{name}/tar" in golden]
    errors = []
    for name in clips:
        predicted, captured = golden[f"{name}/rec"].astype(np.float64), golden[f"{name}/tar"]
        errors.append(FaceErrors.of([predicted - captured], captured.shape[1]))
        yield near(f"{name}/mse_legacy", errors[-1].face_mse * MSE_SCALE, golden[f"{name}/mse_legacy"] * MSE_SCALE)
        yield near(f"{name}/lvd_legacy", errors[-1].lvd * LVD_SCALE, golden[f"{name}/lvd_legacy"] * LVD_SCALE)
    whole = {
        key: np.average([getattr(e, key) for e in errors], weights=[e.frames for e in errors])
        for key in ("face_mse", "lvd", "lvd_velocity")
    }
    for name, key, scale in (
        ("mse_legacy", "face_mse", MSE_SCALE),
        ("mse_evaltools", "face_mse", MSE_SCALE),
        ("lvd_legacy", "lvd", LVD_SCALE),
        ("lvd_evaltools", "lvd_velocity", LVD_SCALE),
    ):
        yield near(name, whole[key] * scale, golden[name] * scale)
