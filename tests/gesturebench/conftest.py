"""The 15 test clips of speaker 2 as far as their names go: short clips of the stand-in corpus, with a published-style
encoder, and predictions in the layouts of the released codes."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gesturebench.common.corpus.beat2 import Beat2Folder
from gesturebench.common.corpus.clip import SAMPLE_RATE, Clip, Motion
from gesturebench.common.corpus.protocols import SPEAKER_2_TEST
from gesturebench.common.corpus.standin.generate import generate_corpus
from gesturebench.common.corpus.standin.presets import StandinPreset
from gesturebench.common.corpus.units import Cut, referenced
from gesturebench.common.motion.export import save_motion

SIZES = StandinPreset(speakers=1, clips=15, sentences=4, test_share=0.5, val_share=0.2)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """Fifteen clips under the names of the released split, body model, joint speeds and encoder included."""
    made, folder = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("corpus")
    generate_corpus(SIZES, made, workers=1)
    names = dict(zip(Beat2Folder(made).ids(), SPEAKER_2_TEST, strict=True))
    for path in (path for path in made.rglob("*") if path.is_file()):
        own = next((name for name in names if path.name.startswith((f"{name}.", f"{name}_"))), None)
        target = folder / path.relative_to(made)
        target = target.with_name(path.name.replace(own, names[own])) if own else target
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (folder / "train_test_split.csv").write_text("id,type\n" + "".join(f"{name},test\n" for name in SPEAKER_2_TEST))
    write_encoder(folder / "weights" / "AESKConv_240_100.bin")
    np.save(folder / "weights" / "mean_vel_smplxflame_30.npy", np.full(55, 0.1, np.float32))
    return folder


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


def write_encoder(path: Path, seed: int = 3) -> None:
    import torch

    from gesturebench.evaluators.fgd_weights import save_published
    from gesturebench.evaluators.skeleton_encoder import SkeletonAutoencoder

    path.parent.mkdir(exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        save_published(SkeletonAutoencoder(), path)


@pytest.fixture(scope="session")
def clips(corpus) -> list[Clip]:
    return [Beat2Folder(corpus).read(clip_id) for clip_id in SPEAKER_2_TEST]


@pytest.fixture(scope="session")
def predictions(clips) -> dict[str, Motion]:
    """The true motion with slow noise, as long as the clips."""
    return {clip.id: disturbed(clip.motion, number) for number, clip in enumerate(clips)}


def disturbed(motion: Motion, seed: int) -> Motion:
    rng = np.random.default_rng(seed)
    t = np.arange(motion.n_frames)[:, None] / 30
    rates, phases = rng.uniform(0.2, 1, 165), rng.uniform(0, 6, 165)
    noise = 0.1 * np.sin(2 * np.pi * rates * t + phases)
    return replace(
        motion, poses=(motion.poses + noise).astype(np.float32), expressions=motion.expressions * np.float32(0.8)
    )


def generated_length(n_frames: int) -> int:
    """Frames that the released EMAGE and MambaTalk tests generate: windows of 64 that share 4, from whole seconds cut
    to a multiple of 8."""
    n = n_frames // 30 * 30
    return 60 * ((n - n % 8 - 4) // 60) + 4


def write_own(folder: Path, predictions: dict[str, Motion], *, generated: bool = False) -> Path:
    for clip_id, motion in predictions.items():
        stop = generated_length(motion.n_frames) if generated else motion.n_frames
        save_motion(folder / f"{clip_id}.npz", motion.cut(0, stop))
    return folder


def write_released(path: Path, motion: Motion, *, betas: np.ndarray) -> None:
    """An npz as the released codes write it: shape per frame or zero, rate int64, float64 beside float32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        betas=betas,
        poses=motion.poses,
        expressions=motion.expressions.astype(np.float64),
        trans=motion.trans,
        model="smplx2020",
        gender="neutral",
        mocap_frame_rate=30,
    )


def write_pairs(folder: Path, clips: list[Clip], predictions: dict[str, Motion]) -> Path:
    """As EMAGE and MambaTalk: res_ and gt_ in a folder of the epoch, cut to the generated length."""
    for clip in clips:
        stop = generated_length(clip.motion.n_frames)
        betas = np.repeat(clip.motion.betas[None], stop, 0)
        write_released(folder / "99" / f"res_{clip.id}.npz", predictions[clip.id].cut(0, stop), betas=betas)
        write_released(folder / "99" / f"gt_{clip.id}.npz", clip.motion.cut(0, stop), betas=betas)
    return folder


def write_windows(folder: Path, clips: list[Clip], predictions: dict[str, Motion]) -> Path:
    """As RAG-Gesture: a folder per window of 10 s with prediction, ground truth by way of 15 fps, and audio."""
    for clip in clips:
        for number, (start, stop) in enumerate(Cut(window=300).spans(clip.motion.n_frames)):
            home = folder / clip.id / str(number)
            truth = referenced(clip.cut(start, stop), "raggesture_export").motion
            write_released(home / "pred_motion.npz", predictions[clip.id].cut(start, stop), betas=np.zeros(300))
            write_released(home / "gt_motion.npz", truth, betas=np.zeros(300))
            first = start * SAMPLE_RATE // 30
            soundfile.write(home / "gt_audio.wav", clip.speech.audio[first : first + 160_000], SAMPLE_RATE)
    return folder


def alone(corpus) -> dict:
    """What takes the place of a data folder: body model, joint speeds, encoder."""
    weights = corpus / "weights"
    return {
        "data": None,
        "body": str(corpus / "smplx_models" / "smplx" / "SMPLX_NEUTRAL_2020.npz"),
        "mean_speed": weights / "mean_vel_smplxflame_30.npy",
        "encoder": weights / "AESKConv_240_100.bin",
    }
