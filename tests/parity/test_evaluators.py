"""Metrics against the numbers of the reference implementations."""

import numpy as np
import pytest
import torch

from gesturebench.common.features.onsets import audio_onsets
from gesturebench.evaluators.beat_consistency import (
    BeatConsistencyConfig,
    alignment,
    beat_consistency,
    inner_audio,
    motion_beats,
    relative_speed,
)
from gesturebench.evaluators.fgd_training import clip_features, rot6d
from gesturebench.evaluators.frechet import Moments, frechet_distance
from gesturebench.evaluators.l1div import l1_deviation
from gesturebench.evaluators.skeleton_encoder import SkeletonAutoencoder, UpsamplingDecoder


@pytest.fixture(scope="module")
def encoder_data(golden):
    return golden("evaluators/fgd_encoder.npz")


@pytest.fixture(scope="module")
def autoencoder(encoder_data):
    model = SkeletonAutoencoder().eval()
    prefix = "param/encoder."
    own = model.encoder.state_dict()
    foreign = {
        key.removeprefix(prefix): torch.from_numpy(value)
        for key, value in encoder_data.items()
        if key.startswith(prefix)
    }
    for name in own:  # masks and pooling are ours to compute, weights are given
        if name.endswith("mask") or "common" in name:
            assert torch.equal(own[name], foreign[name]), name
    model.encoder.load_state_dict(foreign)
    return model


@pytest.mark.parametrize("clip", ["clip0", "clip1"])
def test_fgd_features(encoder_data, autoencoder, clip):
    poses = encoder_data[f"{clip}/poses"]
    np.testing.assert_allclose(rot6d(poses).numpy(), encoder_data[f"{clip}/rot6d"][0], atol=1e-6)
    np.testing.assert_allclose(clip_features(autoencoder, poses), encoder_data[f"{clip}/feat_whole"][0], atol=1e-5)


def test_fgd_layers(encoder_data, autoencoder):
    x = torch.from_numpy(encoder_data["clip0/rot6d"]).transpose(1, 2)
    for index, layer in enumerate(autoencoder.encoder.layers):
        with torch.no_grad():
            x = layer(x)
        np.testing.assert_allclose(x.numpy(), encoder_data[f"clip0/layer{index}"], atol=1e-5)


def test_fgd_decoder(golden):
    data = golden("evaluators/fgd_decoder_small.npz")
    decoder = UpsamplingDecoder(latent=12, output=18)
    decoder.load_state_dict(
        {k.removeprefix("param/decoder."): torch.from_numpy(v) for k, v in data.items() if k.startswith("param/")}
    )
    np.testing.assert_allclose(decoder(torch.from_numpy(data["latent"])).detach().numpy(), data["rec"], atol=1e-6)


@pytest.mark.parametrize("case", ["small", "rank_def", "full240"])
def test_frechet(golden, case):
    data = golden("evaluators/frechet.npz")
    distance = frechet_distance(Moments.of(data[f"{case}/A"]), Moments.of(data[f"{case}/B"]))
    # the reference's means are float32, which alone changes the last digits by 1e-8
    assert distance == pytest.approx(float(data[f"{case}/fid_legacy"]), rel=1e-6)


@pytest.mark.parametrize("mask", [0, 10, 60])
@pytest.mark.parametrize("clip", ["clip0", "clip1"])
@pytest.mark.parametrize(
    ("variant", "group", "score"),
    [
        ("legacy", "legacy", "score"),
        ("legacy_folded", "legacy", "score_after_l1div_inplace"),
        ("evaltools", "evaltools", "score"),
    ],
)
def test_beat_consistency(golden, clip, mask, variant, group, score):
    data = golden("evaluators/bc.npz")
    config = BeatConsistencyConfig(variant=variant, mask=mask)
    joints, mean_speed = data[f"{clip}/joints"].astype(np.float64), data["mean_vel"]
    onsets = audio_onsets(inner_audio(data[f"{clip}/audio_int16"] / 32768, len(joints), config))
    expected = f"{clip}/{group}_m{mask}"
    np.testing.assert_allclose(onsets, data[f"{expected}/onsets"], atol=1e-12)
    if variant != "legacy_folded":
        speed = relative_speed(joints, mean_speed)
        beats = [np.round(motion_beats(speed[:, joint], config) * 30).astype(int) for joint in range(55)]
        assert [len(b) for b in beats] == data[f"{expected}/beat_counts"].tolist()
        assert np.concatenate(beats).tolist() == data[f"{expected}/beats"].tolist()
    assert beat_consistency(joints, onsets, mean_speed, config) == pytest.approx(
        float(data[f"{expected}/{score}"]), rel=1e-6
    )


def test_beat_consistency_of_the_data_set(golden):
    data, config = golden("evaluators/bc.npz"), BeatConsistencyConfig(variant="legacy")
    joints = [data[f"clip{i}/joints"].astype(np.float64) for i in (0, 1)]
    audio = [inner_audio(data[f"clip{i}/audio_int16"] / 32768, len(joints[i]), config) for i in (0, 1)]
    scores = [beat_consistency(j, audio_onsets(a), data["mean_vel"], config) for j, a in zip(joints, audio)]
    whole = np.average(scores, weights=[len(j) - 2 * config.mask for j in joints])
    assert whole == pytest.approx(float(data["legacy_dataset_score_m60"]), rel=1e-9)


def test_alignment(golden):
    data = golden("evaluators/bc.npz")
    assert alignment(data["gahr/audio_beats"], data["gahr/motion_beats"], 0.3) == pytest.approx(
        float(data["gahr/score"])
    )
    assert alignment(data["gahr/audio_beats"], np.empty(0), 0.3) == float(data["gahr/empty_motion_score"])


def test_l1div(golden):
    data = golden("evaluators/diversity.npz")
    total = frames = 0.0
    for index in range(3):
        clip = data[f"l1div/clip{index}"].astype(np.float64)
        total, frames = total + l1_deviation(clip), frames + len(clip)
        assert total / frames == pytest.approx(float(data[f"l1div/running_legacy{index}"]), rel=1e-6)
