"""Fréchet distance in the three formulas."""

from collections.abc import Iterator

from gesturebench.evaluators.frechet import GIVEN_UP, Moments, frechet_distance
from tests.parity.frame import Check, Golden, case, near, same


@case("evaluators/frechet.npz")
def frechet(golden: Golden) -> Iterator[Check]:
    for name in golden.groups():
        a, b = Moments.of(golden[f"{name}/A"]), Moments.of(golden[f"{name}/B"])
        legacy, gave_up = frechet_distance(a, b, "legacy"), golden[f"{name}/legacy_raised_to_1e10"]
        yield near(f"{name}/fid_legacy", legacy, golden[f"{name}/fid_legacy"])
        yield same(f"{name}/legacy_raised_to_1e10", legacy == GIVEN_UP, gave_up)
        yield near(f"{name}/fgd_evaltools", frechet_distance(a, b, "evaltools"), golden[f"{name}/fgd_evaltools"])
        if not gave_up:
            yield near(f"{name}/fid_legacy, exact", frechet_distance(a, b), golden[f"{name}/fid_legacy"])
