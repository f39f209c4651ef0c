"""One process alone: nothing is shared, nothing is imported; more than there are GPUs or packages is refused."""

import importlib.util
import subprocess
import sys

import pytest
import torch
from torch import nn

from gesturebench.common.device import device
from gesturebench.common.distributed import Ranks, joined
from gesturebench.common.errors import InputError
from gesturebench.common.processes import RANKS


def test_alone_everything_stays_as_it_is():
    ranks, parameter = joined(1), nn.Parameter(torch.ones(3))
    assert (ranks.index, ranks.count, ranks.is_first, ranks.axes) == (0, 1, True, ())
    ranks.average_gradients([parameter])
    assert parameter.grad is None
    assert ranks.mean(parameter) is parameter
    assert ranks.gathered(parameter) is parameter
    assert ranks.of_first("state") == "state"
    assert [ranks.any(flag) for flag in (True, False)] == [True, False]


def test_several_draw_with_seeds_of_their_own():
    assert Ranks(1, 2).axes != Ranks(0, 2).axes != Ranks(0, 1).axes


def test_accelerate_is_not_imported_for_one():
    code = "import sys, gesturebench.common.training as t; t.joined(1); sys.exit('accelerate' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setenv(RANKS, "2")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "accelerate" else find(name))
    with pytest.raises(InputError, match=r"accelerate is not installed.*gesturebench\[distributed\]"):
        joined(2)


def test_each_process_needs_a_gpu_of_its_own(monkeypatch):
    for name, value in {RANKS: "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert device() == torch.device("cuda", 1)
    with pytest.raises(InputError, match=r"2 processes on a machine with 1 GPUs.*GESTUREBENCH_DEVICE=cpu"):
        joined(2)


def test_the_device_is_what_is_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device() == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    assert device() == torch.device("cuda", 0)
    monkeypatch.setenv("GESTUREBENCH_DEVICE", "cpu")
    assert device() == torch.device("cpu")
    monkeypatch.setenv("GESTUREBENCH_DEVICE", "gpu")
    with pytest.raises(InputError, match=r"unknown GESTUREBENCH_DEVICE 'gpu'.*did you mean"):
        device()
