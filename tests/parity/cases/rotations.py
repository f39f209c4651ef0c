"""Conversions of rotations, float32 and float64."""

from collections.abc import Iterator

import torch

from gesturebench.common.motion import rotations, rotations_legacy
from tests.parity.frame import Check, Golden, case, near


@case("evaluators/rotations.npz")
def conversions(golden: Golden) -> Iterator[Check]:
    for precision in golden.groups():
        given = {name: torch.from_numpy(array) for name, array in golden.under(f"{precision}/").items()}
        for name, ours in _legacy(given).items():
            yield near(f"{precision}/{name}", ours, given[name])
    # where nothing is ill-conditioned the default conversions give the same rotations
    vectors = torch.from_numpy(golden["f64/axis_angle"])
    yield near("f64/aa_to_matrix (default)", rotations.axis_angle_to_matrix(vectors), golden["f64/aa_to_matrix"])
    yield near("f64/matrix_to_6d (default)", rotations.axis_angle_to_6d(vectors), golden["f64/matrix_to_6d"])
    six = torch.from_numpy(golden["f64/raw6d"])
    yield near("f64/raw6d_to_matrix (default)", rotations.matrix_from_6d(six), golden["f64/raw6d_to_matrix"])


def _legacy(given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    quaternion, matrix, raw = given["aa_to_quat"], given["aa_to_matrix"], given["raw6d"]
    return {
        "aa_to_quat": rotations_legacy.axis_angle_to_quaternion(given["axis_angle"]),
        "aa_to_matrix": rotations_legacy.axis_angle_to_matrix(given["axis_angle"]),
        "matrix_to_6d": rotations_legacy.axis_angle_to_6d(given["axis_angle"]),
        "matrix_to_quat": rotations_legacy.matrix_to_quaternion(matrix),
        "matrix_to_aa": rotations_legacy.matrix_to_axis_angle(matrix),
        "quat_to_aa": rotations_legacy.quaternion_to_axis_angle(quaternion),
        "quat_to_matrix": rotations_legacy.quaternion_to_matrix(quaternion),
        "6d_to_matrix_of_aa": rotations_legacy.matrix_from_6d(given["matrix_to_6d"]),
        "raw6d_to_matrix": rotations_legacy.matrix_from_6d(raw),
        "raw6d_to_aa": rotations_legacy.axis_angle_from_6d(raw),
        "raw6d_roundtrip": rotations_legacy.matrix_to_6d(rotations_legacy.matrix_from_6d(raw)),
    }
