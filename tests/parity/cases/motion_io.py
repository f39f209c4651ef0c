"""Frame rates, translation from velocities, selections of joints."""

from collections.abc import Iterator

import numpy as np

from gesturebench.common.motion.resample import frame_positions, interpolated
from gesturebench.common.motion.skeleton import SELECTIONS, channel_mask, recovered, selected
from gesturebench.common.motion.translation import integrated_velocity
from tests.parity.frame import Check, Golden, case, near, same


@case("evaluators/motion_io.npz")
def motion_io(golden: Golden) -> Iterator[Check]:
    for key in golden:
        kind, _, name = key.rpartition("_")
        if kind in ("time_upsample_numpy", "torch_linear"):
            yield near(
                key, _upsampled(golden["x"], kind, factor := int(name[1:])), golden[key], _tolerance(kind, factor)
            )
        elif kind == "velocity2position":
            yield near(key, _integrated(golden, dt_s=1 / float(name.removeprefix("dt"))), golden[key])
        elif key.startswith("select_"):
            yield same(key, selected(golden["poses"], SELECTIONS[key.removeprefix("select_")]), golden[key])
        elif key.startswith("recover_"):
            joints = SELECTIONS[key.removeprefix("recover_")]
            yield same(key, recovered(golden[key.replace("recover", "select")], joints), golden[key])
        elif key.startswith("mask165_"):
            yield same(key, channel_mask(SELECTIONS[name]), golden[key].astype(bool))


def _tolerance(kind: str, factor: int) -> float:
    """torch places frames in single precision, which is exact for powers of two alone."""
    return 1e-6 if kind == "time_upsample_numpy" or factor.bit_count() == 1 else 1e-5


def _upsampled(x: np.ndarray, kind: str, factor: int) -> np.ndarray:
    # numpy's variant widens to float64, torch's stays in float32
    placement, precision = {
        "time_upsample_numpy": ("end_to_end", np.float64),
        "torch_linear": ("half_pixel", np.float32),
    }[kind]
    return interpolated(x.astype(precision), frame_positions(len(x), factor, placement))


def _integrated(golden: Golden, dt_s: float) -> np.ndarray:
    """(B, T, 1): batch first."""
    return np.stack([integrated_velocity(v, p, dt_s) for v, p in zip(golden["vel"], golden["init"], strict=True)])
