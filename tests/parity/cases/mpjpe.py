"""MPJPE in its conventions, and similarity Procrustes with an identical and a mirrored frame."""

from collections.abc import Iterator

from gesturebench.evaluators.mpjpe import mpjpe, pa_distances, root_aligned
from gesturebench.evaluators.procrustes import aligned
from tests.parity.frame import Check, Golden, case, near


@case("evaluators/mpjpe.npz")
def joint_errors(golden: Golden) -> Iterator[Check]:
    predicted, target = golden["pred"], golden["gt"]
    yield near("mpjpe", mpjpe(predicted, target), golden["mpjpe"])
    yield near("mpjpe_masked", mpjpe(predicted, target, golden["mask"], divisor="all"), golden["mpjpe_masked"])
    for key, alignment in (("mpjpe_rootaligned_perframe", "per_frame"), ("mpjpe_root_firstframe", "first_frame")):
        rooted = mpjpe(root_aligned(predicted, alignment), root_aligned(target, alignment))
        yield near(key, rooted, golden[key])
    yield near("aligned", aligned(predicted, target), golden["aligned"])
    distances = pa_distances(predicted, target)
    yield near("pa_mpjpe_perframe", distances.mean(1), golden["pa_mpjpe_perframe"])
    yield near("pa_mpjpe", distances.mean(), golden["pa_mpjpe"])
