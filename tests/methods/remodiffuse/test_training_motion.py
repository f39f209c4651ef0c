"""The training split in the motion domain, and the windows that are drawn of it."""

import numpy as np
import pytest
import torch

from gesturebench.common.errors import InputError
from gesturebench.common.fitting import FitContext
from gesturebench.methods.remodiffuse.motion import frames_of, motion_features
from gesturebench.methods.remodiffuse.training_motion import STD_FLOOR, TrainingMotion, fit_training_motion
from gesturebench.methods.remodiffuse.windows import TrainingWindows


@pytest.fixture(scope="module")
def folder(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("motion_features")
    fit_training_motion({"expressions": False}, FitContext(store, out, out))
    return out


@pytest.fixture(scope="module")
def training(folder):
    return TrainingMotion(folder)


def test_every_training_clip_is_there_and_standardised(training, store):
    assert training.clips == store.split("train")
    rows = np.concatenate([training.rows(clip, 0, training.n_frames(clip)) for clip in training.clips])
    assert len(rows) == sum(frames_of(store.n_frames(clip)) for clip in store.split("train"))
    moving = training.standard.std > STD_FLOOR
    assert np.abs(rows.mean(0)).max() < 1e-2
    assert np.abs(rows[:, moving].std(0) - 1).max() < 1e-2


def test_standardising_can_be_undone(training, store):
    clip = store.split("train")[1]
    features = motion_features(store.motion(clip), store.joints)
    rows = torch.from_numpy(np.array(training.rows(clip, 0, 10_000)))
    assert np.abs(training.standard.back(rows).numpy() - features).max() < 1e-4
    assert np.abs(training.standard(features) - rows.numpy()).max() < 1e-4


def test_rows_end_with_the_clip(training):
    first, n = training.clips[0], training.n_frames(training.clips[0])
    assert len(training.rows(first, n - 3, n + 50)) == 3
    assert (training.rows(first, n - 3, n) == training.rows(first, n - 3, n + 50)).all()


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no motion features"):
        TrainingMotion(tmp_path)


@pytest.mark.parametrize("stride", [1, 7])
def test_windows_fit_into_their_clips(training, stride):
    windows = TrainingWindows(training, 60, stride)
    everything = [windows.window(place) for place in range(len(windows))]
    assert len(set(everything)) == len(everything)
    for window in everything:
        assert window.start % (2 * stride) == 0
        assert window.start // 2 + 60 <= training.n_frames(window.clip_id)
    assert {window.clip_id for window in everything} == set(training.clips)


def test_a_clip_that_is_shorter_than_a_window_is_one_window(training):
    longest = max(training.n_frames(clip) for clip in training.clips)
    windows = TrainingWindows(training, longest + 5)
    assert len(windows) == len(training.clips)
    drawn = windows.draw(4, torch.Generator().manual_seed(0))
    x0, mask = windows.motion(drawn)
    assert x0.shape == (4, longest + 5, training.width)
    assert mask.sum(1).tolist() == [training.n_frames(window.clip_id) for window in drawn]
    assert (x0[mask == 0] == 0).all()
