"""Corpora of cheap random clips in BEAT2's layout, as long as wanted: what a reader has to do does not depend on what
the clips hold."""

from pathlib import Path

import numpy as np
import soundfile

from gesturebench.common.corpus.standin.body import write_body
from gesturebench.common.motion.skeleton import N_JOINTS

CLIP_S = 65.66
"""Mean length of a BEAT2 English clip."""
FPS, RATE = 30, 16_000


def write_random_corpus(root: Path, hours: float) -> None:
    """Clips of motion (float32 poses, float64 face and translation, as in BEAT2), 16 bit audio, words, split, mean
    speed and body."""
    count = round(hours * 3600 / CLIP_S)
    for folder in ("smplxflame_30", "wave16k", "textgrid", "weights"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    names = [f"2_scott_{k % 2}_{k + 1}_{k + 1}" for k in range(count)]
    rng = np.random.default_rng(0)
    for name in names:
        _write_clip(root, name, rng)
    rows = [f"{name},{'test' if k % 12 == 0 else 'train'}" for k, name in enumerate(names)]
    (root / "train_test_split.csv").write_text("\n".join(["id,type", *rows, ""]))
    np.save(root / "weights" / "mean_vel_smplxflame_30.npy", np.full(N_JOINTS, 0.2, np.float32))
    write_body(root / "smplx_models" / "smplx" / "SMPLX_NEUTRAL_2020.npz")


def _write_clip(root: Path, name: str, rng: np.random.Generator) -> None:
    n = int(CLIP_S * FPS)
    np.savez(
        root / "smplxflame_30" / f"{name}.npz",
        poses=rng.random((n, 165), np.float32),
        expressions=rng.random((n, 100)),
        trans=rng.random((n, 3)),
        betas=rng.random(300, np.float32),
        model=np.array("smplx2020"),
        gender=np.array("neutral"),
        mocap_frame_rate=np.array(FPS, np.int32),
    )
    audio = rng.integers(-3000, 3000, int(CLIP_S * RATE), dtype=np.int16)
    soundfile.write(root / "wave16k" / f"{name}.wav", audio, RATE, subtype="PCM_16")
    (root / "textgrid" / f"{name}.TextGrid").write_text(_words(CLIP_S))


def _words(seconds: float) -> str:
    """Two words a second."""
    marks = [f'{k / 2} {k / 2 + 0.5} "word{k % 97}"' for k in range(int(2 * seconds))]
    head = f'"ooTextFile" "TextGrid" 0 {seconds} <exists> 1 "IntervalTier" "words" 0 {seconds} {len(marks)}'
    return "\n".join([head, *marks, ""])
