"""Weights come back as they were, and a file that does not fit says which tensor."""

import pytest
import torch
from torch import nn

from gesturebench.common.checkpoint import WEIGHTS, load_weights, save_weights
from gesturebench.common.errors import InputError


def network(hidden: int = 4, layers: int = 2) -> nn.Module:
    return nn.Sequential(*(nn.Linear(3 if k == 0 else hidden, hidden) for k in range(layers)))


def test_round_trip_is_exact(tmp_path):
    model, other = network(), network().train()
    model[0].weight.data = torch.randn(3, 4).T  # not contiguous
    save_weights(model, tmp_path)
    load_weights(other, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert not other.training
    assert [path.name for path in tmp_path.iterdir()] == [WEIGHTS]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: network(layers=3), r"missing 2\.weight \(and 1 more\)"),
        (lambda: network(layers=1), r"superfluous 1\.\w+ \(and 1 more\)"),
        (lambda: network(hidden=5), r"0\.weight has shape \(4, 3\), not \(5, 3\) \(and 3 more\)"),
    ],
)
def test_weights_of_another_configuration_are_refused(tmp_path, other, message):
    save_weights(network(), tmp_path)
    with pytest.raises(InputError, match=message):
        load_weights(other(), tmp_path)


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(InputError, match=f"{WEIGHTS}: no such file"):
        load_weights(network(), tmp_path)
    save_weights(network(), tmp_path)
    path = tmp_path / WEIGHTS
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InputError, match=f"{WEIGHTS}: not readable"):
        load_weights(network(), tmp_path)
