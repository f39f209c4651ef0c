import numpy as np
import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import procrustes
from scipy.spatial.transform import Rotation

from gesturebench.evaluators.procrustes import aligned


def points(seed, frames=6, joints=12):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(frames, joints, 3)), rng.normal(size=(frames, joints, 3))


def turned(x, seed, scale, shift):
    """Every frame by a rotation of its own."""
    rotations = Rotation.random(len(x), rng=np.random.default_rng(seed)).as_matrix()
    return scale * np.einsum("tab,tjb->tja", rotations, x) + shift


@given(st.integers(0, 500))
@settings(max_examples=25, deadline=None)
def test_agrees_with_roma(seed):
    source, target = points(seed)
    rotation, shift, scale = roma.rigid_points_registration(
        torch.from_numpy(source), torch.from_numpy(target), compute_scaling=True
    )
    expected = scale[:, None, None] * torch.einsum("tab,tjb->tja", rotation, torch.from_numpy(source)) + shift[:, None]
    np.testing.assert_allclose(aligned(source, target), expected.numpy(), atol=1e-9)


@given(st.integers(0, 500))
@settings(max_examples=25, deadline=None)
def test_agrees_with_roma_on_weighted_points(seed):
    source, target = points(seed)
    weight = np.random.default_rng(seed + 1).uniform(size=source.shape[:2])
    rotation, shift, scale = roma.rigid_points_registration(
        *map(torch.from_numpy, (source, target)), weights=torch.from_numpy(weight), compute_scaling=True
    )
    expected = scale[:, None, None] * torch.einsum("tab,tjb->tja", rotation, torch.from_numpy(source)) + shift[:, None]
    np.testing.assert_allclose(aligned(source, target, weight), expected.numpy(), atol=1e-9)


@given(st.integers(0, 500))
@settings(max_examples=25, deadline=None)
def test_residual_is_scipys_where_no_reflection_helps(seed):
    """scipy's Procrustes scales both sets to length 1 and allows reflections; on a shaken copy none helps."""
    target, _ = points(seed)
    source = turned(target, seed, 1.7, 0.3) + 0.05 * points(seed)[1]
    for x, y in zip(source, target):
        _, _, disparity = procrustes(y, x)
        ours = np.sum((aligned(x[None], y[None])[0] - y) ** 2) / np.sum((y - y.mean(0)) ** 2)
        assert ours == pytest.approx(disparity, rel=1e-9)


@given(st.integers(0, 500), st.floats(0.01, 100), st.floats(-10, 10))
@settings(max_examples=25, deadline=None)
def test_undoes_any_similarity(seed, scale, shift):
    source, _ = points(seed)
    np.testing.assert_allclose(aligned(turned(source, seed, scale, shift), source), source, atol=1e-8)


def test_reflections_stay():
    source, _ = points(0)
    mirrored = source * [-1, 1, 1]
    assert np.linalg.norm(aligned(mirrored, source) - source, axis=-1).mean() > 0.1


def test_points_in_a_plane_and_on_a_line():
    """Rank-deficient sets have many best rotations, one best distance."""
    source, _ = points(1)
    for flat in (source * [1, 1, 0], source * [1, 0, 0]):
        np.testing.assert_allclose(aligned(turned(flat, 2, 0.5, 1.0), flat), flat, atol=1e-9)


def test_points_that_coincide_are_put_on_the_mean():
    source, target = np.zeros((1, 5, 3)), points(3, 1, 5)[1]
    np.testing.assert_allclose(aligned(source, target), np.broadcast_to(target.mean(1, keepdims=True), target.shape))


def test_hidden_points_do_not_pull():
    source, target = points(4)
    shown = np.arange(12) < 8
    damaged = np.where(shown[:, None], target, 1e3)
    weight = np.broadcast_to(shown, source.shape[:2])
    seen = aligned(source, damaged, weight)[:, :8]
    np.testing.assert_allclose(seen, aligned(source[:, :8], target[:, :8]), atol=1e-9)
