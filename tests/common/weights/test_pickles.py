"""Checkpoints are read as plain data."""

import argparse
import pickle
import pickletools

import numpy as np
import pytest
import torch

from gesturebench.common.errors import InputError
from gesturebench.common.weights.pickles import read_checkpoint, tensors_of


@pytest.mark.parametrize("new_format", [True, False])
def test_what_trainers_leave_in_checkpoints_is_read(new_format, tmp_path):
    path = tmp_path / "a.pt"
    beside = {"seed": np.int64(3), "best": np.float32(0.5), "curve": np.arange(3.0), "args": argparse.Namespace(lr=1)}
    content = {"model_state": {"module.a": torch.ones(2), "b": torch.zeros(3)}, **beside}
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    read = read_checkpoint(path)
    assert (read["seed"], read["best"], read["curve"].tolist(), read["args"].lr) == (3, 0.5, [0, 1, 2], 1)
    tensors = tensors_of(read, "model_state", path)
    assert torch.equal(tensors["a"], torch.ones(2))
    assert set(tensors) == {"a", "b"}


def test_numbers_of_an_older_numpy_are_read(tmp_path):
    """It called its inner package `numpy.core`."""
    path = tmp_path / "old.pt"
    torch.save({"seed": np.int64(3)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    assert any(arg == "numpy.core.multiarray scalar" for _, arg, _ in _globals(path))
    assert read_checkpoint(path)["seed"] == 3


def _globals(path):
    with open(path, "rb") as file:
        for _ in range(4):  # magic number, version, system, content
            yield from pickletools.genops(file)


class Anything:
    pass


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state": Anything()}, r"needs \S*Anything to be loaded, and loading it could run any code"),
        ([torch.ones(1)], "holds a list; expected a checkpoint, which is a dictionary"),
    ],
)
def test_other_contents_are_refused(content, message, tmp_path):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(InputError, match=message):
        read_checkpoint(tmp_path / "a.pt")


def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    for number, whole in enumerate((b"", b"<html>not found</html>", pickle.dumps({"a": 1}))):
        path = tmp_path / f"{number}.pt"
        path.write_bytes(whole)
        with pytest.raises(InputError, match="not readable as a checkpoint"):
            read_checkpoint(path)


@pytest.mark.parametrize("state", [None, [1], {"a": 1}])
def test_no_tensors_under_the_key(state, tmp_path):
    with pytest.raises(InputError, match="a dictionary of epoch, state; expected 'state' with tensors by name"):
        tensors_of({"epoch": 1, "state": state}, "state", tmp_path / "a.pt")


def test_a_tensor_with_and_without_the_wrapper_is_refused(tmp_path):
    state = {"a": torch.ones(1), "module.a": torch.zeros(1)}
    with pytest.raises(InputError, match=r"a stands there with and without 'module\.'"):
        tensors_of({"state": state}, "state", tmp_path / "a.pt")
