from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gesturebench.common.checkpoint import WEIGHTS, load_weights
from gesturebench.common.errors import InputError
from gesturebench.common.files import sha256_file
from gesturebench.common.fitting import FitContext
from gesturebench.common.motion.rotations import matrix_from_6d, matrix_to_6d
from gesturebench.common.seeds import torch_generator
from gesturebench.evaluators.fgd import FGD, FGDConfig, halves
from gesturebench.evaluators.fgd_features import clip_features, rot6d
from gesturebench.evaluators.fgd_training import Scale, TrainingWindows, new_autoencoder, reconstruction_losses
from gesturebench.evaluators.fgd_weights import save_published


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


@pytest.fixture(scope="module")
def model():
    return new_autoencoder(0, Scale(torch.zeros(330), 1.0, 1.0)).eval()


def test_windows_of_32_frames_are_encoded_each_alone(store, model):
    poses = np.array(store.motion(store.ids[0]).poses)[:100]
    windows = clip_features(model, poses, "window_32")
    assert windows.shape == (6, 240)
    alone = [clip_features(model, poses[start : start + 32]) for start in (0, 32, 64)]
    np.testing.assert_allclose(windows, np.concatenate(alone), atol=1e-5)
    assert np.abs(windows - clip_features(model, poses)).max() > 0.05, "the encoder normalises over what it is given"


def test_a_window_of_300_frames_has_18_features_of_288(store, model):
    poses = np.tile(np.array(store.motion(store.ids[0]).poses), (2, 1))[:300]
    assert clip_features(model, poses).shape == (18, 240)
    np.testing.assert_array_equal(clip_features(model, poses), clip_features(model, poses[:288]))


@pytest.mark.parametrize("n", [0, 1, 31])
def test_too_short_for_a_feature(store, model, n):
    poses = np.array(store.motion(store.ids[0]).poses)[:n]
    for span in ("whole_clip", "window_32"):
        assert clip_features(model, poses, span).shape == (0, 240)


def test_a_second_pass_through_6d_changes_nothing(store, model):
    """Released code decodes and encodes the rotations once more; with large angles too, only the last digit moves."""
    poses = np.array(store.motion(store.ids[0]).poses)
    poses[:, ::2] *= 20
    once = rot6d(poses)
    twice = matrix_to_6d(matrix_from_6d(once.unflatten(-1, (-1, 6)))).flatten(-2)
    assert (twice - once).abs().max() < 1e-6
    with torch.no_grad():
        features = [model.encoder(x[None, :224]) for x in (once, twice)]
    assert (features[0] - features[1]).abs().max() < 1e-5


def test_settings_of_the_score_are_not_fitted():
    plain = FGD.fit_sections(FGDConfig())
    for settings in ({"features": "window_32"}, {"distance": "evaltools"}):
        assert FGD.fit_sections(FGDConfig(**settings)) == plain
    assert FGD.fit_sections(FGDConfig(encoder="published")) != plain


def test_formulas_and_spans_give_other_numbers(make, store):
    items = [(store.motion(other), store.clip(clip)) for clip, other in zip(store.ids, store.ids[1:])]
    exact, evaltools, windows = (
        scored(make.evaluator("fgd", pairing="paired", **settings), items)["fgd"]
        for settings in ({}, {"distance": "evaltools"}, {"features": "window_32"})
    )
    assert exact - 1e-2 < evaltools < exact - 2e-6 * 240
    assert windows != pytest.approx(exact, rel=1e-3)


def test_few_features_are_said_to_be_few(make, store):
    items = [(store.motion(other), store.clip(clip)) for clip, other in zip(store.ids, store.ids[1:])]
    few = scored(make.evaluator("fgd", pairing="paired"), items)
    assert few["rank_deficient"]
    assert few["n_predicted"] == [154]
    assert np.isfinite(few["fgd"])
    assert not scored(make.evaluator("fgd", pairing="paired"), items * 2)["rank_deficient"]


@pytest.fixture
def published(tmp_path, model):
    save_published(model, tmp_path / "weights" / "AESKConv_240_100.bin")
    return tmp_path / "weights" / "AESKConv_240_100.bin"


def fitted(store, out, **settings):
    config = FGDConfig(encoder="published", pairing="paired", **settings)
    out.mkdir()
    FGD.fit(config, FitContext(store, out, out / "work"))
    return FGD(config, store, out)


def test_published_weights_are_fitted_without_training(store, tmp_path, published, model):
    evaluator = fitted(store, tmp_path / "out", weights=published)
    numbers = scored(evaluator, [(store.motion(store.ids[1]), store.clip(store.ids[0]))])
    assert numbers["encoder"] == sha256_file(published)[:16]
    poses = store.motion(store.ids[1]).poses
    np.testing.assert_array_equal(clip_features(evaluator._encoder, poses), clip_features(model, poses))


def test_published_weights_are_looked_for_in_the_corpus(store, tmp_path, published):
    corpus = SimpleNamespace(path=published.parents[1], fingerprint="tiny")
    from_corpus = fitted(corpus, tmp_path / "a")
    assert from_corpus.encoder_id == fitted(store, tmp_path / "b", weights=published).encoder_id
    published.unlink()
    with pytest.raises(InputError, match=r"AESKConv_240_100.bin: no such file; expected the published FGD encoder"):
        fitted(corpus, tmp_path / "c")


def test_published_weights_are_known_by_what_they_hold(tmp_path, published):
    elsewhere = tmp_path / "copy.bin"
    elsewhere.write_bytes(published.read_bytes())
    sections = [FGD.fit_sections(FGDConfig(encoder="published", weights=path)) for path in (published, elsewhere)]
    assert sections[0] == sections[1] == {"encoder": "published", "sha256": sha256_file(published)}
    with pytest.raises(InputError, match=r"absent.bin: no such file"):
        FGD.fit_sections(FGDConfig(encoder="published", weights=tmp_path / "absent.bin"))
