"""Fréchet distance in the three formulas."""

from collections.abc import Iterator

from gesturebench.evaluators.frechet import GIVEN_UP, Moments, frechet_distance
from tests.parity.frame import Check, Golden, case, near, same

SINGULAR = 1e-5
"""With no more features than dimensions the product is singular, and what a general root makes of its zero eigenvalues
depends on the last bits: equal sets were seen 8e-7 apart."""


@case("evaluators/frechet.npz")
def frechet(golden: Golden) -> Iterator[Check]:
    for name in golden.groups():
        a, b = Moments.of(golden[f"{name}/A"]), Moments.of(golden[f"{name}/B"])
        regular = min(a.n, b.n) > len(a.mean)
        legacy, gave_up = frechet_distance(a, b, "legacy"), golden[f"{name}/legacy_raised_to_1e10"]
        yield near(f"{name}/fid_legacy", legacy, golden[f"{name}/fid_legacy"], 1e-6 if regular else SINGULAR)
        yield same(f"{name}/legacy_raised_to_1e10", legacy == GIVEN_UP, gave_up)
        yield near(f"{name}/fgd_evaltools", frechet_distance(a, b, "evaltools"), golden[f"{name}/fgd_evaltools"])
        if regular and not gave_up:
            yield near(f"{name}/fid_legacy, exact", frechet_distance(a, b), golden[f"{name}/fid_legacy"])
