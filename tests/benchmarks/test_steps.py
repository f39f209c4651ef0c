"""Generation resumes by whole batches, and refuses what it cannot do."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from gesturebench.benchmarks import generating, steps
from gesturebench.benchmarks.job import Job
from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.protocol import Protocol
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json
from gesturebench.common.motion.export import load_motion
from gesturebench.common.progress import Stopped, silent
from gesturebench.methods.base import Method
from gesturebench.methods.registry import BUILT_IN

FRAMES = 6


class Store:
    """As much of a clip store as generation reads: one batch and two clips more, without annotations."""

    path, fingerprint, is_standin = Path("store"), "f", False
    clips = tuple(f"1_ada_0_{i}_{i}" for i in range(10, 12 + generating.BATCH))

    def split(self, name: str) -> tuple[str, ...]:
        return self.clips

    def n_frames(self, clip_id: str) -> int:
        return FRAMES

    def speech(self, clip_id: str, *, oracle: bool = False) -> Speech:
        if oracle:
            raise InputError("the corpus has no truth")
        return Speech(clip_id, np.zeros(3200, np.float32), 1)

    def motion(self, clip_id: str) -> Motion:
        poses = np.full((FRAMES, 165), float(clip_id.split("_")[-1]), np.float32)
        return Motion(poses, np.zeros((FRAMES, 100)), np.zeros((FRAMES, 3)), np.zeros(300), 30.0)


class Counting(Method):
    """Still motion; remembers what it was asked for, and can say something about it."""

    name = "counting"
    Config = Config
    asked: ClassVar[list[str]] = []
    length = FRAMES
    stops_after = 99
    talks = False

    @classmethod
    def load(cls, config, artifacts, store):
        return cls()

    def generate(self, speeches, *, seed, control=None, batch_size=8, progress=silent):
        if len(self.asked) >= self.stops_after:
            raise KeyboardInterrupt
        self.asked += [speech.clip_id for speech in speeches]
        for number in range(len(speeches)):
            progress(number + 1, len(speeches))
        zeros = [np.zeros((self.length, n), np.float32) for n in (165, 100, 3)]
        return [Motion(*zeros, np.zeros(300, np.float32), 30.0) for _ in speeches]

    def explain(self, speeches, *, seed):
        return [{"clip": speech.clip_id, "seed": seed} for speech in speeches] if self.talks else None


@pytest.fixture
def counting(monkeypatch):
    monkeypatch.setitem(BUILT_IN, "counting", f"{__name__}:Counting")
    monkeypatch.setattr(steps.ClipStore, "open", lambda path: Store())
    monkeypatch.setattr(Counting, "asked", [])
    return Counting


def job(tmp_path: Path) -> Job:
    spec = {
        "method": "counting",
        "config": {},
        "seed": 0,
        "query": "none",
    }
    place = {"protocol": Protocol(name="test", description="").model_dump(mode="json")}
    inputs, keys = {"store": tmp_path}, {"store": "k"}
    return Job("generate", "key", "label", spec, place, inputs, keys, tmp_path / "out", tmp_path / "work")


def test_a_killed_generation_goes_on_with_the_next_batch(tmp_path, counting, monkeypatch):
    monkeypatch.setattr(counting, "stops_after", generating.BATCH)
    with pytest.raises(KeyboardInterrupt):
        steps.execute(job(tmp_path), silent)
    assert not (tmp_path / "out" / "record.json").exists()
    monkeypatch.setattr(counting, "stops_after", 99)
    steps.execute(job(tmp_path), silent)
    assert counting.asked == list(Store.clips)
    files = {path.stem for path in (tmp_path / "out" / "motions").iterdir()}
    assert files == set(Store.clips)
    assert load_motion(tmp_path / "out" / "motions" / f"{Store.clips[0]}.npz").n_frames == FRAMES


def test_half_a_batch_gives_the_same_motions_and_is_noted(tmp_path, counting):
    halved = replace(job(tmp_path), batch_divisor=2, attempt="a1")
    steps.execute(halved, silent)
    assert counting.asked == list(Store.clips)
    record = read_json(tmp_path / "out" / "record.json")
    assert (record["batch_divisor"], record["attempt"]) == (2, "a1")


def test_a_stop_within_a_batch_ends_it_and_one_at_its_end_does_not_lose_it(tmp_path, counting):
    """Generation reports each clip; what was generated is written before anybody may stop it."""

    def stop_at(places: list[int]):
        def progress(done: int, total: int) -> None:
            seen.append(done)
            if len(seen) in places:
                raise Stopped

        return progress

    seen: list[int] = []
    with pytest.raises(Stopped):
        steps.execute(job(tmp_path), stop_at([4]))
    assert not (tmp_path / "work" / "motions").exists() or not any((tmp_path / "work" / "motions").iterdir())
    seen.clear()
    with pytest.raises(Stopped):
        steps.execute(job(tmp_path), stop_at([1 + generating.BATCH]))
    assert len(list((tmp_path / "work" / "motions").iterdir())) == generating.BATCH


def test_a_method_is_given_what_it_is_shown_and_no_truth_beside(tmp_path, counting, monkeypatch):
    """The true motion of a few joints, and of the right clips; a corpus need not know more of its gestures."""
    given = []
    made = counting.generate

    def generate(self, speeches, *, control=None, **options):
        given.extend(control or ())
        return made(self, speeches, control=control, **options)

    monkeypatch.setattr(counting, "generate", generate)
    steps.execute(job(tmp_path / "nothing"), silent)
    assert given == []
    monkeypatch.setattr(counting, "shown", classmethod(lambda cls, config: (3, 20)))
    shown = job(tmp_path / "joints")
    steps.execute(replace(shown, spec={**shown.spec, "query": "oracle"}), silent)
    assert [float(control.motion.poses[0, 0]) for control in given] == [float(i.split("_")[-1]) for i in Store.clips]
    assert all(control.mask.all(0).nonzero()[0].tolist() == [3, 20] for control in given)
    assert all(control.mask.sum() == 2 * FRAMES for control in given)


def test_motion_of_another_length_is_a_fault_of_the_method(tmp_path, counting, monkeypatch):
    monkeypatch.setattr(counting, "length", FRAMES + 1)
    with pytest.raises(RuntimeError, match="7 frames for a clip of 6"):
        steps.execute(job(tmp_path), silent)


def test_a_required_annotation_that_is_missing_is_named(tmp_path, counting, monkeypatch):
    monkeypatch.setattr(counting, "requires", frozenset({"words"}))
    with pytest.raises(InputError, match="clip 1_ada_0_10_10 has no words"):
        steps.execute(job(tmp_path), silent)


@pytest.mark.parametrize("is_resumed", [False, True])
def test_what_a_method_says_about_a_clip_lies_beside_its_motion(counting, tmp_path, monkeypatch, is_resumed):
    monkeypatch.setattr(Counting, "talks", True)
    made = job(tmp_path)
    if is_resumed:
        monkeypatch.setattr(Counting, "stops_after", 1)
        with pytest.raises(KeyboardInterrupt):
            steps.execute(made, silent)
        monkeypatch.setattr(Counting, "stops_after", 99)
    steps.execute(made, silent)
    for clip in Store.clips:
        assert read_json(made.out / "explained" / f"{clip}.json") == {"clip": clip, "seed": 0}


def test_a_method_that_says_nothing_leaves_no_folder(counting, tmp_path):
    made = job(tmp_path)
    steps.execute(made, silent)
    assert (made.out / "motions").is_dir()
    assert not (made.out / "explained").exists()
