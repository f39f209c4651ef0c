"""Motion files: what is saved is loaded, BEAT2's own layout, whole or absent."""

import numpy as np
import pytest

from gesturebench.common.errors import InputError
from gesturebench.common.motion.export import load_motion, save_motion

from .conftest import smooth_motion, write_npz


@pytest.mark.parametrize("fps", [15, 30, 25, 29.97])
def test_round_trip(tmp_path, fps):
    motion = smooth_motion(17, fps=fps)
    save_motion(tmp_path / "a.npz", motion)
    loaded = load_motion(tmp_path / "a.npz")
    for name in ("poses", "expressions", "trans", "betas"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(motion, name))
        assert getattr(loaded, name).dtype == np.float32
    assert loaded.fps == fps


def test_layout_is_that_of_beat2(tmp_path, reference):
    save_motion(tmp_path / "a.npz", smooth_motion(5))
    real = reference / "data/real/beat2_sample/beat_english_v2.0.0/smplxflame_30/2_scott_0_1_1.npz"
    with np.load(tmp_path / "a.npz", allow_pickle=False) as ours, np.load(real, allow_pickle=False) as theirs:
        assert set(ours) == set(theirs)
        for key in theirs:
            assert ours[key].ndim == theirs[key].ndim, key
            assert ours[key].dtype.kind == theirs[key].dtype.kind, key
            assert ours[key].shape[1:] == theirs[key].shape[1:], key


def test_real_clip_round_trip(tmp_path, reference):
    real = load_motion(reference / "data/real/beat2_sample/beat_english_v2.0.0/smplxflame_30/2_scott_0_1_1.npz")
    save_motion(tmp_path / "a.npz", real)
    np.testing.assert_array_equal(load_motion(tmp_path / "a.npz").poses, real.poses)
    assert real.n_frames == 1906


def test_equal_motion_gives_equal_bytes(tmp_path):
    for name in ("a", "b"):
        save_motion(tmp_path / name, smooth_motion(9))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_nothing_is_left_of_a_failed_save(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        save_motion(tmp_path / "file" / "a.npz", smooth_motion(3))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_empty_motion_is_refused(tmp_path):
    write_npz(tmp_path / "a.npz", smooth_motion(1).cut(0, 0))
    with pytest.raises(InputError, match=r"a\.npz: no frames"):
        load_motion(tmp_path / "a.npz")
    np.save(tmp_path / "b.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"b\.npy: a single array"):
        load_motion(tmp_path / "b.npy")
