"""The frame itself: what counts as a difference, and what `python -m tests.parity` says."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.parity.frame import SUBSET, near, places, same


def test_differences_are_relative_to_the_largest_golden_number():
    check = near("x", [1.0, 200.0], [1.0, 100.0])
    assert (check.max_abs, check.max_rel, check.holds) == (100.0, 1.0, False)
    assert near("small", [1e-3], [0.0]).max_rel == 1e-3


@pytest.mark.parametrize("ours", [[1.0], [1.0, np.nan], [1.0, np.inf], [[1.0, 2.0]]], ids=str)
def test_another_shape_or_a_lone_nan_never_holds(ours):
    check = near("x", ours, [1.0, 2.0])
    assert check.max_rel == np.inf
    assert not check.holds


def test_equal_infinities_and_nans_are_equal():
    assert near("x", [np.nan, np.inf, 1.0], [np.nan, np.inf, 1.0]).max_rel == 0


def test_ids_differ_by_one_or_not_at_all():
    assert same("ranks", ["b", "a"], ["b", "a"]).max_rel == 0
    assert same("ranks", ["a", "b"], ["b", "a"]).max_rel == 1
    assert same("ranks", ["a"], ["a", "b"]).max_rel == 1


def parity(*arguments):
    command = [sys.executable, "-m", "tests.parity", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=SUBSET.parents[1])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "evaluators").mkdir()
    shutil.copy(SUBSET / "evaluators" / "motion_io.npz", tmp_path / "evaluators")
    return tmp_path


def test_json_names_every_file_with_its_largest_differences(folder):
    run = parity(folder, "--only", "evaluators", "--json")
    found = json.loads(run.stdout)
    assert run.returncode == 0
    assert list(found) == places(folder, "evaluators") == ["evaluators/motion_io.npz"]
    result = found["evaluators/motion_io.npz"]
    assert result["checked"] > 10
    assert result["max_rel"] < 1e-6


def test_a_changed_output_is_seen(folder):
    path = folder / "evaluators" / "motion_io.npz"
    with np.load(path) as arrays:
        changed = dict(arrays)
    changed["torch_linear_x2"] = changed["torch_linear_x2"] + 0.5
    np.savez(path, **changed)
    run = parity(folder, "--json")
    assert run.returncode == 1
    assert json.loads(run.stdout)["evaluators/motion_io.npz"]["max_abs"] == pytest.approx(0.5, abs=1e-6)


def test_a_broken_or_unknown_file_counts_as_wholly_different(folder):
    (folder / "evaluators" / "motion_io.npz").write_bytes(b"not a zip")
    (folder / "evaluators" / "stranger.npz").write_bytes(b"")
    run = parity(folder, "--json")
    assert json.loads(run.stdout) == {
        f"evaluators/{name}.npz": {"max_abs": 1.0, "max_rel": 1.0, "checked": 0} for name in ("motion_io", "stranger")
    }
    assert "evaluators/motion_io.npz" in run.stderr


def test_a_folder_without_golden_files_is_an_error(tmp_path):
    run = parity(tmp_path)
    assert run.returncode == 2
    assert str(tmp_path) in run.stderr
