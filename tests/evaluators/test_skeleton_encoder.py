import numpy as np
import torch

from gesturebench.common.motion.skeleton import JOINT
from gesturebench.evaluators.skeleton_encoder import (
    SkeletonAutoencoder,
    SkeletonEncoder,
    edge_pools,
    neighbours,
    skeleton_layers,
)


def test_skeleton_shrinks_to_twenty_edges():
    layers = skeleton_layers()
    assert [len(layer.edges) for layer in layers] == [55, 35, 20, 20]
    assert [layer.reduces for layer in layers] == [True, True, False, False]
    assert layers[2].edges[:4] == ((0, 55), (0, 10), (0, 11), (0, 9))


def test_pools_partition_the_edges():
    for layer in skeleton_layers():
        assert sorted(edge for pool in layer.pools for edge in pool) == list(range(len(layer.edges)))


def test_pairs_run_along_chains_and_odd_chains_start_alone():
    # a stem of three edges that forks at joint 3 into a pair and a single edge
    edges = ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (3, 6))
    assert edge_pools(edges) == ((0,), (1, 2), (3, 4), (5,))


def test_neighbours_are_two_steps_apart_at_most():
    chain = ((0, 1), (1, 2), (2, 3), (3, 4))
    near = neighbours(chain)
    assert np.array_equal(near, np.abs(np.subtract.outer(np.arange(4), np.arange(4))) <= 2)


def test_a_convolution_sees_only_its_neighbourhood():
    torch.manual_seed(0)
    encoder = SkeletonEncoder()
    conv = encoder.layers[0][0].shortcut
    x = torch.randn(1, 330, 32)
    moved = x.clone()
    wrist = JOINT["left_wrist"]
    moved[:, 6 * wrist : 6 * wrist + 6] += 1
    changed = ((conv(moved) - conv(x)).abs().amax((0, 2)) > 0).view(55, 6).any(1)
    assert np.array_equal(changed.numpy(), neighbours(skeleton_layers()[0].edges)[wrist])
    assert not changed[JOINT["right_wrist"]]


def test_one_feature_per_sixteen_frames_and_back():
    torch.manual_seed(0)
    model = SkeletonAutoencoder()
    x = torch.randn(2, 64, 330)
    assert model.encoder(x).shape == (2, 4, 240)
    assert model(x).shape == x.shape


def test_clips_of_a_batch_do_not_mix():
    torch.manual_seed(0)
    encoder = SkeletonEncoder().eval()
    x = torch.randn(3, 32, 330)
    torch.testing.assert_close(encoder(x)[1:2], encoder(x[1:2]), atol=1e-5, rtol=1e-5)


def test_features_of_a_new_network_use_their_range():
    """The initialisation accounts for masked inputs: activations neither vanish nor saturate."""
    torch.manual_seed(0)
    spread = SkeletonEncoder()(torch.randn(4, 64, 330)).std().item()
    assert 0.2 < spread < 0.95
