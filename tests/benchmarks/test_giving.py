"""Generation under a protocol that gives poses: every window alone, with the poses that the scoring leaves out."""

from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from gesturebench.benchmarks import generating, steps
from gesturebench.benchmarks.giving import joined
from gesturebench.benchmarks.grid import Grid, Row, checked
from gesturebench.benchmarks.job import Job
from gesturebench.benchmarks.plan import make_plan
from gesturebench.benchmarks.source import StandinSource
from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import SAMPLE_RATE, Clip, Motion, Speech
from gesturebench.common.corpus.given import Given
from gesturebench.common.corpus.protocol import Protocol
from gesturebench.common.corpus.units import Cut
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json
from gesturebench.common.motion.export import load_motion
from gesturebench.common.progress import silent
from gesturebench.methods.base import Method
from gesturebench.methods.registry import BUILT_IN

LENGTHS = {"1_ada_0_1_1": 150, "1_ada_0_2_2": 40, "1_ada_0_3_3": 64 * 14}
"""Two windows and a rest, none, and more than a batch of windows."""


def protocol(**given) -> Protocol:
    return Protocol(name="test", description="", cut=Cut(window=64), given=Given(**{"frames": 2} | given))


def numbered(clip_id: str, frames: int) -> Motion:
    """Frame i of clip c has i in all poses of its pelvis and c in all others."""
    poses = np.full((frames, 165), float(clip_id.split("_")[-1]), np.float32)
    poses[:, :3] = np.arange(frames)[:, None]
    return Motion(poses, np.zeros((frames, 100)), np.zeros((frames, 3)), np.zeros(300), 30.0)


class Store:
    path, fingerprint, is_standin = Path("store"), "f", False

    def split(self, name: str) -> tuple[str, ...]:
        return tuple(LENGTHS)

    def n_frames(self, clip_id: str) -> int:
        return LENGTHS[clip_id]

    def speech(self, clip_id: str, *, oracle: bool = False) -> Speech:
        samples = ceil(LENGTHS[clip_id] * SAMPLE_RATE / 30)
        return Speech(clip_id, np.arange(samples, dtype=np.float32), 1)

    def motion(self, clip_id: str) -> Motion:
        return numbered(clip_id, LENGTHS[clip_id])

    def clip(self, clip_id: str) -> Clip:
        return Clip(clip_id, self.speech(clip_id), self.motion(clip_id))


class Following(Method):
    """Holds still but in frames that it is given, and remembers what it was asked."""

    name = "following"
    Config = Config
    control = "keyframes"
    asked: ClassVar[list[tuple]] = []
    short_by = 0

    @classmethod
    def load(cls, config, artifacts, store):
        return cls()

    def generate(self, speeches, *, seed, control=None, batch_size=8, progress=silent):
        motions = []
        for speech, given in zip(speeches, control or [None] * len(speeches), strict=True):
            self.asked.append((speech.clip_id, int(speech.audio[0]), given, batch_size))
            frames = speech.n_frames(30) - self.short_by
            poses = np.zeros((frames, 165), np.float32)
            if given is not None:
                shown = given.mask.repeat(3, axis=1)[:frames]
                poses[shown] = given.motion.poses[:frames][shown]
            motions.append(Motion(poses, np.zeros((frames, 100)), np.zeros((frames, 3)), np.zeros(300), 30.0))
            progress(len(motions), len(speeches))
        return motions

    def explain(self, speeches, *, seed):
        return [{"window": speech.clip_id} for speech in speeches]


@pytest.fixture
def following(monkeypatch):
    monkeypatch.setitem(BUILT_IN, "following", f"{__name__}:Following")
    monkeypatch.setattr(steps.ClipStore, "open", lambda path: Store())
    monkeypatch.setattr(Following, "asked", [])
    return Following


def job(tmp_path: Path, told: Protocol, seed: int = 0, **spec) -> Job:
    spec = {"method": "following", "config": {}, "seed": seed, "query": "none"} | spec
    place = {"protocol": told.model_dump(mode="json")}
    inputs, keys = {"store": tmp_path}, {"store": "k"}
    return Job("generate", "key", "label", spec, place, inputs, keys, tmp_path / "out", tmp_path / "work")


def test_every_window_is_a_speech_of_its_own_with_its_own_poses(tmp_path, following):
    steps.execute(job(tmp_path, protocol()), silent)
    assert [name for name, *_ in following.asked] == [
        *(f"1_ada_0_1_1/{k}" for k in range(2)), *(f"1_ada_0_3_3/{k}" for k in range(14)),
    ]  # fmt: skip
    assert max(size for *_, size in following.asked) <= generating.BATCH
    for name, first_sample, control, _ in following.asked:
        start = 64 * int(name.split("/")[1])
        assert first_sample == start * SAMPLE_RATE // 30
        assert control.motion.n_frames == 64
        assert control.motion.poses[0, 0] == start
        assert control.mask.all(1).nonzero()[0].tolist() == [16, 48]


def test_a_clips_file_holds_its_windows_and_is_as_long_as_the_clip(tmp_path, following):
    steps.execute(job(tmp_path, protocol()), silent)
    folder = tmp_path / "out" / "motions"
    assert {path.stem for path in folder.iterdir()} == {"1_ada_0_1_1", "1_ada_0_3_3"}, (
        "without a window nothing is made"
    )
    motion = load_motion(folder / "1_ada_0_1_1.npz")
    assert motion.n_frames == 150
    assert motion.poses[:, 0].nonzero()[0].tolist() == [16, 48, 80, 112]
    assert motion.poses[[16, 112], 0].tolist() == [16, 112]
    told = read_json(tmp_path / "out" / "explained" / "1_ada_0_1_1.json")
    assert told == {f"1_ada_0_1_1/{k}": {"window": f"1_ada_0_1_1/{k}"} for k in range(2)}


def test_what_is_scored_is_what_was_given(tmp_path, following):
    """Given poses are met exactly: wherever they lie and whosever they are, the pair has no error there, and only
    there. Scoring under another seed than the run's would look in the wrong frames."""
    from gesturebench.benchmarks.scores import pairs_of

    for number, told in enumerate((protocol(), protocol(placement="random"), protocol(source="foreign"))):
        folder = tmp_path / str(number)
        steps.execute(job(folder, told, seed=5), silent)
        files = {i: folder / "out" / "motions" / f"{i}.npz" for i in LENGTHS}
        for pair in pairs_of(told, told.units(Store()), files, Store(), draw=5):
            same = (pair.prediction.poses[:, 9:] == pair.clip.motion.poses[:, 9:])[:, :57].all(1)
            assert same.nonzero()[0].tolist() == pair.given.nonzero()[0].tolist()
            assert pair.given.sum() == 2


def test_a_row_may_do_without_the_poses_and_a_method_that_takes_none_is_given_none(tmp_path, following, monkeypatch):
    steps.execute(job(tmp_path / "row", protocol(), given=False), silent)
    assert all(control is None for _, _, control, _ in following.asked)
    following.asked.clear()
    monkeypatch.setattr(following, "control", "none")
    steps.execute(job(tmp_path / "method", protocol()), silent)
    assert len(following.asked) == 16
    assert all(control is None for _, _, control, _ in following.asked)


def test_anchors_are_given_everything_and_joints_that_are_shown_stay_shown(tmp_path, following, monkeypatch):
    monkeypatch.setattr(following, "shown", classmethod(lambda cls, config: (3, 20)))
    steps.execute(job(tmp_path / "joints", protocol()), silent)
    for _, _, control, _ in following.asked:
        assert control.mask.all(0).nonzero()[0].tolist() == [3, 20]
        assert control.mask.all(1).nonzero()[0].tolist() == [16, 48]
    following.asked.clear()
    monkeypatch.setattr(following, "control", "reference")
    monkeypatch.setattr(following, "shown", classmethod(lambda cls, config: tuple(range(55))))
    steps.execute(job(tmp_path / "anchor", protocol(), query="oracle"), silent)
    assert all(control.mask.all() for _, _, control, _ in following.asked)


def test_fewer_windows_at_a_time_give_the_same_motion(tmp_path, following):
    whole, halved = job(tmp_path / "a", protocol()), job(tmp_path / "b", protocol())
    steps.execute(whole, silent)
    steps.execute(replace(halved, batch_divisor=4), silent)
    a, b = (load_motion(tmp_path / name / "out" / "motions" / "1_ada_0_3_3.npz") for name in "ab")
    assert (a.poses == b.poses).all()
    assert {size for *_, size in following.asked[16:]} == {generating.BATCH // 4}


def test_a_window_of_another_length_is_a_fault_of_the_method(tmp_path, following, monkeypatch):
    monkeypatch.setattr(following, "short_by", 1)
    with pytest.raises(RuntimeError, match=r"following for window 1_ada_0_1_1/0: 63 frames for a window of 64"):
        steps.execute(job(tmp_path, protocol()), silent)


def test_frames_after_the_last_window_repeat_its_last_pose():
    motion = joined([numbered("1_ada_0_1_1", 4), numbered("1_ada_0_2_2", 4)], 10)
    assert motion.poses[:, 0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 3, 3]
    assert motion.expressions.shape == (10, 100)


def planned(name: str, **row):
    rows = (Row(label="EMAGE", method="emage"), Row(label="alone", method="emage", **row))
    grid = Grid(
        title="t", data="standin:tiny", protocol=name, preset="tiny", seeds=(0, 1), metrics=("mpjpe",), rows=rows
    )
    return make_plan(checked(grid, "grid"), StandinSource("tiny"))


def test_poses_are_part_of_what_a_generation_is_and_their_draw_of_how_it_is_scored():
    plans = [planned(name, given=False) for name in ("exges-control", "exges-control-random-2")]
    keys = [cell.generate.key for plan in plans for cell in plan.cells]
    assert len(set(keys)) == len(keys) == 8
    for plan in plans:
        assert [cell.evaluate["mpjpe"].place["draw"] for cell in plan.cells] == [0, 1, 0, 1]
        assert [cell.generate.spec.get("given") for cell in plan.cells] == [None, None, False, False]


def test_a_row_without_poses_needs_a_protocol_that_gives_some():
    with pytest.raises(InputError, match=r"row 'alone': given: false under protocol 'beat2'; expected a protocol that"):
        planned("beat2", given=False)
