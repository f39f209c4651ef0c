"""Every golden file that has a case, and every case's file: ours and the reference implementation's numbers agree."""

import pytest

from tests.parity.frame import checks, load_cases, places


def pytest_generate_tests(metafunc):
    folder = metafunc.config.getoption("golden")
    metafunc.parametrize("place", places(folder))


def test_golden(place, request):
    if place not in load_cases():
        pytest.skip(f"{place} belongs to a method that is not built yet")
    found = checks(request.config.getoption("golden"), place)
    assert found, f"{place}: nothing was compared"
    differing = [f"{check.name}: {check.max_rel:.2e} > {check.tolerance:.0e}" for check in found if not check.holds]
    assert not differing, "\n".join(differing)
