"""Intervals, tests and agreement against published examples and independent implementations."""

import numpy as np
import pytest
from scipy.stats import binomtest

from gesturebench.results.study.agreement import fleiss_kappa, krippendorff_alpha
from gesturebench.results.study.binomial import clopper_pearson, sign_p

FLEISS_1971 = """0 0 0 6 0; 0 3 0 0 3; 0 1 4 0 1; 0 0 0 0 6; 0 3 0 3 0;
2 0 4 0 0; 0 0 4 0 2; 2 0 3 1 0; 2 0 0 4 0; 0 0 0 0 6;
1 0 0 5 0; 1 1 0 4 0; 0 3 3 0 0; 1 0 0 5 0; 0 2 0 3 1; 0 0 5 0 1; 3 0 0 1 2; 5 1 0 0 0; 0 2 0 4 0; 1 0 2 0 3;
0 0 0 0 6; 0 1 0 5 0; 0 2 0 1 3; 2 0 0 4 0; 1 0 0 4 1; 0 5 0 1 0; 4 0 0 0 2; 0 2 0 4 0; 1 0 5 0 0; 0 0 0 0 6"""
"""30 patients, 6 psychiatrists, 5 diagnoses: Fleiss 1971, table 1, kappa = 0.430."""
KRIPPENDORFF_2011 = """1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 ."""
"""4 observers, 12 units, 5 values: Krippendorff 2011, part C, nominal alpha = 0.743."""


def test_kappa_of_its_paper():
    counts = np.array([[int(n) for n in row.split()] for row in FLEISS_1971.split(";")])
    assert (counts.sum(1) == 6).all()
    assert fleiss_kappa(counts) == pytest.approx(0.430, abs=5e-4)


def test_alpha_of_its_paper():
    ratings = np.array([row.replace(".", "0").split() for row in KRIPPENDORFF_2011.splitlines()], int)
    counts = np.stack([(ratings == value).sum(0) for value in range(1, 6)], 1)
    assert krippendorff_alpha(counts) == pytest.approx(0.743, abs=5e-4)


def test_agreement_at_its_ends():
    assert fleiss_kappa(np.array([[3, 0], [0, 3]])) == 1
    assert krippendorff_alpha(np.array([[3, 0], [0, 3]])) == 1
    rng = np.random.default_rng(0)
    coins = rng.binomial(20, 0.5, 5000)
    counts = np.stack([coins, 20 - coins], 1)
    assert abs(fleiss_kappa(counts)) < 0.01
    assert abs(krippendorff_alpha(counts)) < 0.01
    assert krippendorff_alpha(np.array([[1, 1]] * 20)) < -0.9


def test_both_agree_where_there_are_many_items():
    rng = np.random.default_rng(1)
    wins = rng.binomial(6, rng.beta(0.7, 0.7, 4000))
    counts = np.stack([wins, 6 - wins], 1)
    assert fleiss_kappa(counts) == pytest.approx(krippendorff_alpha(counts), abs=1e-3)


@pytest.mark.parametrize("counts", [[[4, 0], [4, 0]], [[1, 0], [0, 1]], np.zeros((0, 2)), [[0, 0]]])
def test_agreement_is_not_defined_without_two_ratings_or_two_values(counts):
    assert fleiss_kappa(np.array(counts)) is None
    assert krippendorff_alpha(np.array(counts)) is None


def test_unequal_numbers_of_raters_have_an_alpha_alone():
    counts = np.array([[3, 0], [1, 3], [0, 2], [1, 0]])
    assert fleiss_kappa(counts) is None
    assert krippendorff_alpha(counts) == krippendorff_alpha(counts[:3]) != 1


@pytest.mark.parametrize(("wins", "n"), [(0, 1), (0, 12), (5, 12), (12, 12), (171, 240), (1, 2)])
def test_intervals_and_tests_are_scipys(wins, n):
    reference = binomtest(wins, n)
    assert clopper_pearson(wins, n) == pytest.approx(tuple(reference.proportion_ci(method="exact")), abs=1e-9)
    assert sign_p(wins, n) == pytest.approx(reference.pvalue, abs=1e-12)
