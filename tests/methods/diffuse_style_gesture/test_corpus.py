"""What is read of the training split: features of motion and rows of speech, the same as of a speech from elsewhere."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gesturebench.common.corpus.names import ClipName
from gesturebench.common.corpus.windows import Window
from gesturebench.common.cross_local.pose_features import VELOCITY, pose_features
from gesturebench.common.cross_local.speech import CorpusSpeech, speech_rows, speech_width
from gesturebench.common.cross_local.starts import Starts
from gesturebench.common.cross_local.styles import style_of
from gesturebench.common.cross_local.training_poses import STD_FLOOR, TrainingPoses, mean_pose
from gesturebench.common.errors import InputError
from gesturebench.common.features.preparing import prepare_windows
from gesturebench.common.fitting import FitContext
from gesturebench.common.seeds import torch_generator
from gesturebench.methods.diffuse_style_gesture.components import SPEECH, trained_components
from tests.encoders import WIDTH, write_wav2vec2

NAME = "diffuse_style_gesture"


@pytest.fixture(scope="module")
def poses(small) -> Path:
    return small.artifacts(NAME)["training_poses"]


def test_training_motion_is_standardised(poses, store):
    found = TrainingPoses(poses)
    whole = torch.cat([found.window(Window(clip, 0, found.n_frames(clip))) for clip in found.clips])
    assert found.clips == store.split("train")
    assert len(whole) == sum(store.n_frames(clip) for clip in found.clips)
    assert whole.mean(0).abs().max() < 1e-3
    moving = found.standard.std > STD_FLOOR
    torch.testing.assert_close(whole.std(0)[moving], torch.ones(int(moving.sum())), atol=1e-2, rtol=0)
    assert whole.std(0)[~moving].max() <= 1.001


def test_a_window_is_that_of_the_clip(poses, store):
    clip = store.split("train")[1]
    found = TrainingPoses(poses)
    rows = found.standard.back(found.window(Window(clip, 10, 30)))
    np.testing.assert_allclose(rows, pose_features(store.motion(clip))[10:40], atol=1e-4)


def test_speakers_stand_in_their_own_mean(poses, store):
    speakers = {ClipName.parse(clip).speaker for clip in store.split("train")}
    means = {speaker: mean_pose(poses, speaker) for speaker in (*speakers, 30)}
    for speaker in speakers:
        own = [clip for clip in store.split("train") if ClipName.parse(clip).speaker == speaker]
        expected = np.concatenate([pose_features(store.motion(clip)) for clip in own]).mean(0)
        expected[VELOCITY] = 0
        np.testing.assert_allclose(means[speaker], expected, atol=1e-4)
    assert np.abs(means[30] - means[min(speakers)]).max() > 1e-3


def test_starts(poses, store, small):
    standard = TrainingPoses(poses).standard
    speech, config = store.speech(store.split("test")[0]), small.config(NAME)
    heard, width = CorpusSpeech(store, config.speech), speech_width(config.speech)

    def start(kind, seed=0):
        return Starts(kind, 15, store, poses, standard).of(speech, heard, width, torch_generator("start", seed))

    still = start("mean")
    assert not still.audio.any()
    np.testing.assert_allclose(
        standard.back(still.poses), np.tile(mean_pose(poses, speech.speaker), (15, 1)), atol=1e-5
    )
    moving = start("training")
    assert moving.poses.shape == still.poses.shape
    assert moving.audio.shape == (15, width)
    assert moving.poses.diff(dim=0).abs().max() > 0
    assert torch.equal(moving.poses, start("training").poses)
    assert not torch.equal(moving.poses, start("training", seed=1).poses)


def test_styles_are_speakers():
    assert style_of(2, 25).argmax() == 1
    assert torch.equal(style_of(30, 1), torch.ones(1))
    with pytest.raises(InputError, match="styles = 2, and speaker 30 has row"):
        style_of(30, 2)


def test_a_pretrained_encoder_hears_the_corpus_as_it_hears_a_speech(small, store, tmp_path):
    pytest.importorskip("transformers")
    model = {"model": str(write_wav2vec2(tmp_path / "model"))}
    config = small.config(NAME, speech={"audio": "wav2vec2", "wav2vec2": model})
    part = next(part for part in trained_components(config) if part.name == SPEECH)
    out = tmp_path / "heard"
    out.mkdir()
    prepare_windows(part.config, FitContext(store, out, tmp_path / "work", place=part.place))
    clip = store.split("train")[0]
    whole = CorpusSpeech(store, config.speech, out).window(Window(clip, 0, store.n_frames(clip)))
    assert whole.shape == (store.n_frames(clip), WIDTH)
    fresh = speech_rows(store.speech(clip), config.speech)
    np.testing.assert_allclose(whole, fresh, atol=2e-3)  # stored in float16
    assert str(tmp_path) not in str(part.config)


def test_the_feature_of_the_store_is_that_of_the_speech(small, store):
    config = small.config(NAME).speech
    clip = store.split("train")[0]
    window = CorpusSpeech(store, config).window(Window(clip, 20, 40))
    np.testing.assert_allclose(window, speech_rows(store.speech(clip), config)[20:60], atol=1e-5)


def test_an_encoder_that_is_not_here_is_named(small):
    missing = {"audio": "wavlm", "wavlm": {"model": "nobody/nothing", "revision": "0" * 40}}
    (line,) = small.config(NAME, speech=missing).speech.absences("speech")
    assert line.startswith("speech.wavlm.model: nobody/nothing")
