from dataclasses import replace

import numpy as np
import pytest
import torch

from gesturebench.common.checkpoint import WEIGHTS, load_weights
from gesturebench.common.errors import InputError
from gesturebench.common.fitting import FitContext
from gesturebench.common.seeds import torch_generator
from gesturebench.evaluators.fgd import FGD, FGDConfig, halves
from gesturebench.evaluators.fgd_training import (
    Scale,
    TrainingWindows,
    clip_features,
    new_autoencoder,
    reconstruction_losses,
)


def scored(evaluator, items):
    for prediction, clip in items:
        evaluator.update(prediction, clip)
    return evaluator.compute()


def truth(store, split="test"):
    return [(store.motion(clip_id), store.clip(clip_id)) for clip_id in store.split(split)]


def test_ground_truth_scores_zero_paired(make, store):
    assert scored(make.evaluator("fgd", pairing="paired"), truth(store))["fgd"] == 0.0


def test_ground_truth_scores_the_split_half_floor(make, store):
    numbers = scored(make.evaluator("fgd"), truth(store))
    halved = halves(store)
    clips = [[clip for _, clip in truth(store) if halved[clip.id] == half] for half in (0, 1)]
    assert numbers["fgd"] > 0
    assert numbers["n"] == 4
    # 240 frames give 7 blocks of 32 frames, two features each
    assert numbers["n_predicted"] == numbers["n_reference"] == [28, 28]
    crossed = [make.evaluator("fgd", pairing="paired") for _ in range(2)]
    for mine, theirs, evaluator in ((0, 1, crossed[0]), (1, 0, crossed[1])):
        for left, right in zip(clips[mine], clips[theirs]):
            evaluator.update(left.motion, replace(right, motion=right.motion))
    assert numbers["fgd"] == pytest.approx(np.mean([evaluator.compute()["fgd"] for evaluator in crossed]), rel=1e-9)


def test_frozen_motion_is_far_from_ground_truth(make, store):
    frozen = [(replace(m, poses=np.repeat(m.poses[:1], m.n_frames, 0)), clip) for m, clip in truth(store)]
    floor = scored(make.evaluator("fgd"), truth(store))["fgd"]
    assert scored(make.evaluator("fgd"), frozen)["fgd"] > 2 * floor


def test_halves_alternate_within_speakers_and_splits(store):
    half = halves(store)
    assert set(half) == set(store.ids)
    for split in ("train", "val", "test"):
        assert [half[clip_id] for clip_id in sorted(store.split(split))] == [0, 1] * (len(store.split(split)) // 2)


def test_an_empty_half_is_an_input_error(make, store):
    evaluator = make.evaluator("fgd")
    evaluator.update(*truth(store)[0])
    with pytest.raises(InputError, match="1 clips in one half, 0 in the other"):
        evaluator.compute()


def test_encoder_is_identified_by_its_weights(make, store, tmp_path):
    fitted = scored(make.evaluator("fgd"), truth(store))["encoder"]
    FGD.fit(FGDConfig(steps=1, batch=2), FitContext(store, tmp_path, tmp_path / "work"))
    other = scored(FGD(FGDConfig(), store, tmp_path), truth(store))["encoder"]
    assert len(fitted) == 16
    assert fitted != other


def test_fit_is_reproducible_and_leaves_the_global_seed_alone(store, tmp_path):
    config = FGDConfig(steps=2, batch=2)
    for name in "ab":
        (tmp_path / name).mkdir()
        FGD.fit(config, FitContext(store, tmp_path / name, tmp_path / f"{name}_work"))
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == (tmp_path / "b" / WEIGHTS).read_bytes()
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    new_autoencoder(0, Scale(torch.zeros(330), 1.0, 1.0))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_training_lowers_the_loss(store, tmp_path):
    x = TrainingWindows(store, 64).draw(32, torch_generator("held out"))
    scale = Scale.of(x)
    FGD.fit(FGDConfig(steps=30, batch=4), FitContext(store, tmp_path, tmp_path / "work"))
    fitted = new_autoencoder(0, scale)
    load_weights(fitted, tmp_path)
    before, after = (
        reconstruction_losses(model, x, scale, 0.1)["loss"].item() for model in (new_autoencoder(0, scale), fitted)
    )
    assert after < 0.9 * before


def test_an_untrained_decoder_knows_the_mean_pose_and_no_more(store):
    x = TrainingWindows(store, 64).draw(32, torch_generator("scale"))
    scale = Scale.of(x)
    losses = reconstruction_losses(new_autoencoder(0, scale), x, scale, 0.0)
    assert losses["loss"] == losses["reconstruction"]
    assert 0.9 < losses["reconstruction"].item() < 2


def test_pairing_does_not_change_what_is_fitted():
    assert FGD.fit_sections(FGDConfig(pairing="paired")) == FGD.fit_sections(FGDConfig(pairing="cross_half"))
    assert FGD.fit_sections(FGDConfig(steps=1)) != FGD.fit_sections(FGDConfig(steps=2))


def test_windows_reach_the_first_and_the_last_frame(store):
    windows = TrainingWindows(store, 239)
    drawn = windows.draw(200, torch_generator("windows"))
    assert drawn.shape == (200, 239, 330)
    # two possible starts per clip, six clips: all twelve windows appear among 200 draws
    assert len({tuple(window[:, 100].tolist()) for window in drawn}) == 12


def test_no_training_clip_is_long_enough(store):
    with pytest.raises(InputError, match="no training clip has 999 frames"):
        TrainingWindows(store, 999)


def test_features_ignore_what_follows_the_last_block(store):
    model = new_autoencoder(0, Scale(torch.zeros(330), 1.0, 1.0)).eval()
    poses = np.array(store.motion(store.ids[0]).poses)
    assert clip_features(model, poses[:70]).shape == (4, 240)
    np.testing.assert_array_equal(clip_features(model, poses[:70]), clip_features(model, poses[:64]))
