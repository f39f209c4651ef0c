"""The gate opens for spaces that tell speech from speech, and for no others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.embedding.gate import dealt_by_length, gate_of

N = 96


def gate(speech, motion, lengths=None, wanted=3.0):
    lengths = np.arange(len(speech)) if lengths is None else lengths
    return gate_of(speech, motion, lengths, split="val", wanted=wanted)


def test_a_space_that_matches_is_informative():
    rows = np.random.default_rng(0).normal(size=(N, 8))
    found = gate(rows, rows + 0.1)
    assert found.informative
    assert found.ceiling == (1.0, 1.0, 1.0)
    assert found.chance == pytest.approx(3 / 32)
    assert found.floor[2] < 0.25
    assert not gate(rows, rows, wanted=11.0).informative


def test_noise_and_a_collapsed_space_are_not():
    rng = np.random.default_rng(1)
    noise = gate(rng.normal(size=(N, 8)), rng.normal(size=(N, 8)))
    assert noise.ceiling[2] == pytest.approx(noise.chance, abs=0.08)
    assert not noise.informative
    assert not gate(np.zeros((N, 8)), np.zeros((N, 8))).informative


def test_a_clock_is_not_informative_however_often_it_is_right():
    """A space of lengths finds its pair far above chance; so does any other motion of that length."""
    lengths = np.repeat(np.arange(N // 2), 2)
    rows = np.stack([lengths, np.zeros(N)], 1).astype(float)
    found = gate(rows, rows, lengths)
    assert found.ceiling[2] > 0.9
    assert found.floor[2] > 0.9
    assert not found.informative


@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_units_are_never_informative(n):
    rows = np.random.default_rng(0).normal(size=(n, 4))
    assert not gate(rows, rows).informative


def test_a_small_split_is_one_pool():
    rows = np.random.default_rng(0).normal(size=(12, 4))
    found = gate(rows, rows)
    assert (found.pool, found.units, found.chance) == (12, 12, 0.25)


@given(st.lists(st.integers(1, 300), min_size=2, max_size=40))
def test_everybody_is_dealt_another_one_once(lengths):
    dealt = dealt_by_length(np.array(lengths))
    assert sorted(dealt.tolist()) == list(range(len(lengths)))
    assert (dealt != np.arange(len(lengths))).all()
