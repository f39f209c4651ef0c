"""The stand-in corpus on disk: what BEAT2's readers rely on, what the truth promises, and that bytes repeat."""

import csv
import json
import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from praatio import textgrid

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.corpus.standin.body import BODY_PATH, write_body
from gesturebench.common.corpus.standin.espeak import find_library
from gesturebench.common.corpus.standin.generate import MANIFEST, Job, generate_corpus, write_clip
from gesturebench.common.corpus.standin.presets import StandinPreset, clip_names
from gesturebench.common.errors import InputError
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.skeleton import FEET, JOINT

PRESET = StandinPreset(speakers=2, clips=9, sentences=6)
SMALL = StandinPreset(speakers=2, clips=1, sentences=1)


class Corpus:
    """A corpus folder with its clips' files at hand."""

    def __init__(self, root: Path, preset: StandinPreset):
        self.root = root
        self.ids = [name.id for name in clip_names(preset)]
        self.joints = JointModel.from_body_model(root / BODY_PATH)

    def motion(self, clip: str) -> Motion:
        with np.load(self.root / "smplxflame_30" / f"{clip}.npz") as npz:
            return Motion(
                *(npz[k] for k in ("poses", "expressions", "trans", "betas")), fps=float(npz["mocap_frame_rate"])
            )

    def positions(self, clip: str) -> np.ndarray:
        return self.joints.positions(self.motion(clip))

    def truth(self, clip: str) -> dict:
        return json.loads((self.root / "truth" / f"{clip}.json").read_text())

    def discourse(self, clip: str) -> dict:
        return json.loads((self.root / "discourse_rels" / f"{clip}_whisper_relations.json").read_text())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("standin")
    generate_corpus(PRESET, root, workers=1)
    return Corpus(root, PRESET)


def content(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_bytes_repeat_and_do_not_depend_on_workers_but_on_the_seed(tmp_path):
    for name, workers, seed in (("one", 1, 0), ("two", 2, 0), ("other", 1, 1)):
        generate_corpus(SMALL, tmp_path / name, seed=seed, workers=workers)
    one, two, other = (content(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert one["manifest.json"] != other["manifest.json"]
    assert one["truth/1_ada_0_1_1.json"] != other["truth/1_ada_0_1_1.json"]


def test_the_layout_is_complete(corpus):
    manifest = json.loads((corpus.root / MANIFEST).read_text())
    assert manifest["counts"]["clips"] == len(corpus.ids)
    assert len(manifest["content_sha256"]) == 64
    folders = {
        "smplxflame_30": ".npz", "wave16k": ".wav", "textgrid": ".TextGrid", "sem": ".txt", "prom": ".prom",
        "discourse_rels": "_whisper_relations.json", "emo": ".csv", "truth": ".json",
    }  # fmt: skip
    for folder, suffix in folders.items():
        assert sorted(p.name for p in (corpus.root / folder).iterdir()) == sorted(c + suffix for c in corpus.ids)
    speed = np.load(corpus.root / "weights" / "mean_vel_smplxflame_30.npy")
    assert speed.shape == (55,)
    assert speed[JOINT["left_ankle"]] < 0.1 < speed[JOINT["right_wrist"]] < 1
    with open(corpus.root / "train_test_split.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == corpus.ids
    assert {row["type"] for row in rows} == {"train", "val", "test"}


def test_motion_is_finite_bounded_smooth_and_as_long_as_the_wave(corpus):
    for clip in corpus.ids:
        motion = corpus.motion(clip).checked(clip)
        info = soundfile.info(corpus.root / "wave16k" / f"{clip}.wav")
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        assert 0 <= info.frames / 16000 - motion.duration_s < 1 / 30
        poses = motion.poses.reshape(-1, 55, 3)
        assert np.linalg.norm(poses, axis=-1).max() < 2.6
        assert np.linalg.norm(np.diff(poses, axis=0), axis=-1).max() < 0.9
        assert motion.poses.std(0).min() > 0.001


def test_people_stand_on_the_floor_upright_and_face_forward(corpus):
    for clip in corpus.ids[::3]:
        p = corpus.positions(clip)
        feet = p[:, list(FEET)]
        contact = np.linalg.norm(np.diff(feet, axis=0), axis=-1) < 0.01
        assert contact.mean() > 0.95
        assert 0 <= p[:, [JOINT["left_foot"], JOINT["right_foot"]], 1].min() < 0.05
        assert (p[:, JOINT["head"], 1] > 1.3).all()
        left, right = p[:, JOINT["left_shoulder"]], p[:, JOINT["right_shoulder"]]
        assert ((left - right)[:, 0] > 0.25).all()
        assert (p[:, JOINT["left_foot"], 2] > p[:, JOINT["left_ankle"], 2]).all()


def test_text_grids_are_read_by_praatio_and_cover_the_wave(corpus):
    for clip in corpus.ids:
        grid = textgrid.openTextgrid(str(corpus.root / "textgrid" / f"{clip}.TextGrid"), includeEmptyIntervals=True)
        assert grid.tierNames == ("words", "phones")
        duration = soundfile.info(corpus.root / "wave16k" / f"{clip}.wav").duration
        for tier in grid.tiers:
            assert tier.entries[0].start == 0
            assert tier.entries[-1].end == tier.maxTimestamp == pytest.approx(duration, abs=1e-4)
            assert all(a.end == b.start for a, b in pairwise(tier.entries))


def test_semantic_labels_cover_the_clip_and_name_every_gesture(corpus):
    for clip in corpus.ids[::4]:
        rows = [line.split("\t") for line in (corpus.root / "sem" / f"{clip}.txt").read_text().splitlines()]
        assert all(len(row) == 6 for row in rows)
        assert float(rows[0][1]) == 0
        assert all(abs(float(a[2]) - float(b[1])) < 1e-3 for a, b in pairwise(rows))
        kinds = [(row[0].split("_")[1], row[5]) for row in rows if row[5]]
        assert kinds == [(e["tag"].split(":")[0], e["word"]) for e in corpus.truth(clip)["events"]]
        assert all(float(row[4]) == pytest.approx(int(row[0][:2]) / 10) for row in rows)


def test_punctuation_shares_the_times_of_its_word_and_connectives_are_cased_like_tokens(corpus):
    for clip in corpus.ids:
        parsed = corpus.discourse(clip)
        tokens = [t for s in parsed["sentences"] for t in s["tokens"]]
        for word, mark in pairwise(tokens):
            if mark["surface"] in ".,":
                assert (mark["startSec"], mark["endSec"]) == (word["startSec"], word["endSec"])
        prominence = {line.split("\t")[3] for line in (corpus.root / "prom" / f"{clip}.prom").read_text().splitlines()}
        for relation in parsed["relations"]:
            connective = relation["Connective"]
            surfaces = [tokens[i]["surface"] for i in connective["TokenList"]]
            assert connective["RawText"] == " ".join(surfaces)
            assert set(surfaces) <= prominence
            assert (
                tokens[relation["Arg2"]["TokenList"][0]]["startSec"]
                >= tokens[connective["TokenList"][-1]]["endSec"] - 1e-3
            )


def test_strokes_start_just_before_their_word_and_never_overlap(corpus):
    for clip in corpus.ids:
        events = corpus.truth(clip)["events"]
        lead = np.array([e["word_start_s"] - e["stroke_s"] for e in events])
        assert (np.abs(lead - 0.05) <= 0.02 + 1e-9).all()
        for e in events:
            assert e["prep_s"] <= e["stroke_s"] < e["end_s"] <= e["hold_s"]
        assert all(a["hold_s"] <= b["prep_s"] + 1e-9 for a, b in pairwise(events))


def test_every_known_word_is_either_gestured_or_listed_as_not(corpus):
    from gesturebench.common.corpus.standin.lexicon import TAG_OF_WORD

    for clip in corpus.ids:
        truth = corpus.truth(clip)
        tokens = [t["surface"].lower() for s in corpus.discourse(clip)["sentences"] for t in s["tokens"]]
        listed = {e["token"] for e in truth["events"] + truth["ungestured"]}
        assert {i for i, w in enumerate(tokens) if w in TAG_OF_WORD} <= listed
        assert len(listed) == len(truth["events"]) + len(truth["ungestured"])


def test_gestures_of_one_kind_look_alike_in_one_speaker(corpus):
    """1-NN over wrist paths, trained on the other clips of the speaker: the corpus has something true to retrieve."""
    strokes = [(clip, e["tag"], path) for clip in corpus.ids for e, path in wrist_paths(corpus, clip)]
    hits = []
    for clip, tag, path in strokes:
        others = [(t, p) for c, t, p in strokes if c != clip and c.split("_")[0] == clip.split("_")[0]]
        if tag in {t for t, _ in others}:
            nearest = min(others, key=lambda other: float(((other[1] - path) ** 2).sum()))
            hits.append(nearest[0] == tag)
    assert len(hits) > 80
    assert np.mean(hits) >= 0.85


def wrist_paths(corpus: Corpus, clip: str):
    p = corpus.positions(clip)
    wrists = (p[:, [JOINT["left_wrist"], JOINT["right_wrist"]]] - p[:, [JOINT["spine3"]]]).reshape(len(p), -1)
    for event in corpus.truth(clip)["events"]:
        frames = np.linspace(event["stroke_s"], event["end_s"], 12) * 30
        yield event, np.stack([np.interp(frames, np.arange(len(p)), column) for column in wrists.T], -1)


def test_beats_are_moments_of_a_low_hand(corpus):
    """Averaged over beats, the dominant wrist is lower at the planned moment than 0.2 s before and after."""
    profile = []
    for clip in corpus.ids:
        height = corpus.positions(clip)[:, [JOINT["left_wrist"], JOINT["right_wrist"]], 1]
        truth = corpus.truth(clip)
        calm = [
            b["time_s"]
            for b in truth["beats"]
            if all(not e["prep_s"] - 0.3 < b["time_s"] < e["hold_s"] + 0.9 for e in truth["events"])
        ]
        for time in calm:
            at = np.interp((time + np.array([-0.2, 0, 0.2])) * 30, np.arange(len(height)), height.mean(1))
            profile.append(at - at[1])
    assert len(profile) > 10
    assert (np.mean(profile, axis=0)[[0, 2]] > 0.005).all()


def test_semantic_rate_thins_gestures_out(corpus, tmp_path):
    preset = StandinPreset(speakers=1, clips=1, sentences=5)
    for rate in (1.0, 0.0):
        job = Job(preset.updated({"semantic_rate": rate}), tmp_path / str(rate), 0, find_library())
        write_body(job.out / BODY_PATH)
        write_clip(job, clip_names(preset)[0])
    full, none = (json.loads((tmp_path / rate / "truth" / "1_ada_0_1_1.json").read_text()) for rate in ("1.0", "0.0"))
    assert full["events"]
    assert none["events"] == []
    assert len(none["ungestured"]) == len(full["events"]) + len(full["ungestured"])


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        generate_corpus(SMALL, tmp_path / "file" / "corpus", workers=1)


def test_a_clip_that_cannot_be_written_in_a_worker_is_an_input_error(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "wave16k").write_text("in the way")
    with pytest.raises(InputError, match="wave16k"):
        generate_corpus(SMALL.updated({"speakers": 1}), tmp_path / "out", workers=2)
    assert not (tmp_path / "out" / MANIFEST).exists()


def test_a_clip_worker_killed_at_any_moment_ends_the_work(tmp_path):
    """Also while it still reads what its parent sends it; a large message would leave the parent writing for ever."""
    job = Job(SMALL, tmp_path, 0, find_library())
    assert len(pickle.dumps(job)) < 16_384, "less than a pipe holds"
