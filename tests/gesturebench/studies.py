"""A grid whose rows are generated, and a small study of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.state import MOTIONS, RECORD, RunStore
from gesturebench.common.corpus.clip import Motion
from gesturebench.common.corpus.standin.generate import generate_corpus
from gesturebench.common.corpus.standin.presets import StandinPreset
from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.files import write_json
from gesturebench.common.motion.export import save_motion
from gesturebench.planning import open_plan

SIZES = StandinPreset(speakers=1, clips=6, sentences=2, test_share=0.5, val_share=0.17)
GRID = """
title: Three rows
data: {corpus}
protocol: standin
preset: tiny
metrics: [bc]
rows:
  - {{label: Ground truth, method: ground_truth, group: anchor}}
  - {{label: "Another clip, at random", method: random_clip, group: anchor}}
  - {{label: Not run, method: random_clip, group: anchor, seeds: 7}}
"""
TRUTH, OTHER = "Ground truth", "Another clip, at random"


def _as_long(clips: ClipStore, source: str, clip: str) -> Motion:
    """The motion of one clip, from its start again until it is as long as another."""
    motion = clips.motion(source)
    frames = np.arange(clips.n_frames(clip)) % motion.n_frames
    return replace(
        motion, poses=motion.poses[frames], expressions=motion.expressions[frames], trans=motion.trans[frames]
    )


def generated_grid(folder: Path) -> tuple[Plan, RunStore]:
    """The truth, and as random motion that of the clip after it, as runs would leave them; the third row is absent."""
    generate_corpus(SIZES, folder / "corpus", workers=1)
    (folder / "grid.yaml").write_text(GRID.format(corpus=folder / "corpus"))
    plan, store = open_plan(str(folder / "grid.yaml"), folder / "runs"), RunStore(folder / "runs")
    build_store(folder / "corpus", plan.prepare.folder(store.runs))
    write_json(plan.prepare.folder(store.runs) / RECORD, {"spec": dict(plan.prepare.spec)})
    clips = ClipStore.open(plan.prepare.folder(store.runs))
    for label, shift in ((TRUTH, 0), (OTHER, 1)):
        folder = plan.cells_of(label)[0].generate.folder(store.runs)
        for i, clip in enumerate(ids := plan.protocol.clips(clips)):
            save_motion(folder / MOTIONS / f"{clip}.npz", _as_long(clips, ids[(i + shift) % len(ids)], clip))
        write_json(folder / RECORD, {"kind": "generate"})
    return plan, store
