"""A small corpus in BEAT2's layout, written with plain libraries and not with the code under test."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.motion.skeleton import N_JOINTS, PARENTS

REFERENCE = Path(__file__).parents[2].parent / "shared"
CLIPS = {
    "2_scott_0_1_1": "train",
    "2_scott_0_65_65": "val",
    "30_katya_0_103_103": "test",
    "1_wayne_1_1_1": "additional",
}
WORDS = [("but", 0.3, 0.55), ("Climbing", 0.55, 1.2), ("high", 1.4, 1.7)]


def smooth_motion(n: int, seed: int = 0, fps: float = 30) -> Motion:
    """Sums of slow sinusoids in every channel, angles below 0.6 rad per axis."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None] / fps

    def waves(channels: int, size: float) -> np.ndarray:
        frequency, phase = rng.uniform(0.2, 2, channels), rng.uniform(0, 6, channels)
        return (size * np.sin(2 * np.pi * frequency * t + phase)).astype(np.float32)

    return Motion(waves(165, 0.6), waves(100, 1), waves(3, 0.1), rng.normal(size=300).astype(np.float32), fps)


def write_npz(path: Path, motion: Motion, **changes: np.ndarray) -> None:
    arrays = {"poses": motion.poses, "expressions": motion.expressions.astype(np.float64), "trans": motion.trans}
    arrays |= {"betas": motion.betas, "model": np.array("smplx2020"), "gender": np.array("neutral")}
    np.savez(path, **{**arrays, "mocap_frame_rate": np.array(30, np.int32), **changes})


def textgrid(words: list[tuple[str, float, float]], end_s: float) -> str:
    """Praat's long format, silence filled in."""
    filled, now = [], 0.0
    for text, start, end in [*words, ("", end_s, end_s)]:
        filled += [("", now, start)] * (start > now) + [(text, start, end)] * (end > start)
        now = end
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end_s}"]
    lines += ["tiers? <exists>", "size = 2", "item []:"]
    for index, name in enumerate(("words", "phones"), start=1):
        lines += [
            f"    item [{index}]:",
            '        class = "IntervalTier"',
            f'        name = "{name}"',
            "        xmin = 0",
        ]
        lines += [f"        xmax = {end_s}", f"        intervals: size = {len(filled)}"]
        for k, (text, start, end) in enumerate(filled, start=1):
            lines += [f"        intervals [{k}]:", f"            xmin = {start}", f"            xmax = {end}"]
            lines += [f'            text = "{text}"']
    return "\n".join(lines) + "\n"


RELATIONS = {
    "sentences": [
        {"tokens": [{"surface": "But", "startSec": 0.3, "endSec": 0.55}]},
        {
            "tokens": [
                {"surface": "climbing", "startSec": 0.55, "endSec": 1.2},
                {"surface": "high", "startSec": 1.4, "endSec": 1.7},
            ]
        },
    ],
    "relations": [
        {
            "Connective": {"RawText": "But", "TokenList": [0]},
            "Arg1": {"RawText": "", "TokenList": []},
            "Arg2": {"RawText": "climbing high", "TokenList": [1, 2]},
            "Sense": ["Comparison.Contrast"],
        }
    ],
}
EVENT = {
    "tag": "iconic:climb", "word": "climbing", "word_start_s": 0.55, "word_end_s": 1.2, "prep_s": 0.1, "stroke_s": 0.5,
    "end_s": 1.1, "hold_s": 1.2, "hands": "both", "variant": 3,
}  # fmt: skip


def write_clip(root: Path, clip_id: str, seed: int, *, seconds: float = 2.0, frames: int = 63) -> None:
    folders = ("smplxflame_30", "wave16k", "textgrid", "sem", "discourse_rels", "prom", "truth")
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
    write_npz(root / "smplxflame_30" / f"{clip_id}.npz", smooth_motion(frames, seed))
    noise = np.random.default_rng(seed).integers(-3000, 3000, int(seconds * 16_000), dtype=np.int16)
    soundfile.write(root / "wave16k" / f"{clip_id}.wav", noise, 16_000, subtype="PCM_16")
    (root / "textgrid" / f"{clip_id}.TextGrid").write_text(textgrid(WORDS, seconds))
    labels = "01_beat_align\t0.0\t0.5\t0.5\t0.1\n06_iconic_m\t0.5\t1.1\t0.6\t0.6\tclimb\n"
    labels += "00_nogesture\t1.1\t2.0\t0.9\t0.0\tNaN\n"
    (root / "sem" / f"{clip_id}.txt").write_text(labels)
    (root / "discourse_rels" / f"{clip_id}_whisper_relations.json").write_text(json.dumps(RELATIONS))
    (root / "prom" / f"{clip_id}.prom").write_text(f"{clip_id}\t0.55\t1.2\tClimbing\t1.5\t0.2\n")
    (root / "truth" / f"{clip_id}.json").write_text(json.dumps({"events": [EVENT]}))


def write_split(root: Path, rows: list[tuple[str, str]]) -> None:
    (root / "train_test_split.csv").write_text("id,type\n" + "".join(f"{i},{kind}\n" for i, kind in rows))


def write_body(path: Path) -> None:
    """The arrays of an SMPL-X file that we read, with random shapes: one vertex per joint, which carries it."""
    rng = np.random.default_rng(0)
    tree = np.array([PARENTS, range(N_JOINTS)])
    shapes = 0.01 * rng.normal(size=(N_JOINTS, 3, 400))
    means = {f"hands_mean{side}": 0.1 * rng.normal(size=45) for side in "lr"}
    rest = rng.normal(size=(N_JOINTS, 3))
    path.parent.mkdir(parents=True)
    skin = {"weights": np.eye(N_JOINTS), "posedirs": np.zeros((N_JOINTS, 3, 486)), "f": np.zeros((0, 3), np.uint32)}
    np.savez(path, J_regressor=np.eye(N_JOINTS), v_template=rest, shapedirs=shapes, kintree_table=tree, **means, **skin)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Four clips of 2.0 s audio and 2.1 s motion, one per split, fully annotated, with a body model."""
    root = tmp_path / "beat_english_v2.0.0"
    for seed, clip_id in enumerate(CLIPS):
        write_clip(root, clip_id, seed)
    write_split(root, list(CLIPS.items()))
    write_body(root / "smplx_models" / "smplx" / "SMPLX_NEUTRAL_2020.npz")
    return root


@pytest.fixture(scope="session")
def reference() -> Path:
    """Golden data and real clips, where they lie beside the checkout."""
    if not REFERENCE.exists():
        pytest.skip("no reference data beside the checkout")
    return REFERENCE
