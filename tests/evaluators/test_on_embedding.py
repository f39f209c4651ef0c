"""Metrics on embeddings asked for as evaluators of motion, with an encoder that was really trained."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.embedding.artifact import RECORD, read_transcripts
from gesturebench.common.errors import InputError
from gesturebench.common.fitting import FitContext
from gesturebench.evaluators.base import Evaluator
from gesturebench.evaluators.rareness import rareness
from gesturebench.evaluators.registry import embedding_metric_names, get_embedding_metric, get_evaluator
from tests.speaking import SpeakingStore, speaking_clip

ENCODER = {
    "dim": 32, "heads": 2, "hidden": 48, "motion_layers": 1, "speech_layers": 1, "motion_step": 3, "dropout": 0.0,
    "training": {"steps": 60, "batch": 16, "lr": 3e-3},
}  # fmt: skip
SMALL = {"embedding_diversity": {"pairs": 20}, "embedding_multimodality": {"samples": 2, "pairs": 1, "units": 8}}
SINGLE = [name for name in embedding_metric_names() if name != "embedding_multimodality"]


@pytest.fixture(scope="module")
def speaking() -> SpeakingStore:
    return SpeakingStore(test=7)


@pytest.fixture(scope="module")
def folder(speaking, tmp_path_factory):
    out, work = tmp_path_factory.mktemp("space"), tmp_path_factory.mktemp("work")
    cls = get_evaluator("r_precision")
    cls.fit(cls.preset("tiny").updated({"encoder": ENCODER}), FitContext(speaking, out, work))
    return out


@pytest.fixture(scope="module")
def make(speaking, folder):
    def evaluator(name: str, artifact=folder, **settings) -> Evaluator:
        cls = get_evaluator(name)
        return cls(cls.preset("tiny").updated(SMALL.get(name, {}) | settings), speaking, artifact)

    return evaluator


def clips_of(speaking) -> list[Clip]:
    return [speaking.clip(clip_id) for clip_id in speaking.split("test")]


def another(speaking, clip: Clip) -> Motion:
    """Captured motion of a training clip, played forwards and backwards for as long as this one lasts."""
    motion = speaking.motion(speaking.split("train")[0])
    index = np.pad(np.arange(motion.n_frames), (0, clip.motion.n_frames), mode="reflect")[: clip.motion.n_frames]
    return replace(motion, poses=motion.poses[index], expressions=motion.expressions[index], trans=motion.trans[index])


def scored(evaluator: Evaluator, pairs) -> dict:
    for prediction, clip in pairs:
        evaluator.update(prediction, clip)
    return evaluator.compute()


@pytest.mark.parametrize("name", SINGLE)
def test_numbers_come_with_what_they_are_worth(make, speaking, name):
    numbers = scored(make(name), [(clip.motion, clip) for clip in clips_of(speaking)])
    metric = get_embedding_metric(name)
    assert all(np.isfinite(numbers[column.key]) for column in metric.columns)
    assert numbers["n"] >= 32
    assert numbers["skipped"] == 0
    assert ("informative" in numbers) == metric.compares
    assert all((f"{column.key}_interval" in numbers) == metric.draws for column in metric.columns)
    assert json.loads(json.dumps(numbers)) == numbers


def test_captured_motion_is_the_ceiling_and_that_of_others_the_floor(make, speaking):
    clips = clips_of(speaking)
    pairs = {"own": [(c.motion, c) for c in clips], "other": [(another(speaking, c), c) for c in clips]}
    found = {side: {k: v for name in SINGLE for k, v in scored(make(name), its).items()} for side, its in pairs.items()}
    own, other = found["own"], found["other"]
    assert own["informative"]
    assert own["r_precision_3"] > 3 * own["gate_chance"] > other["r_precision_3"]
    for key in ("mm_distance", "mm_distance_tail", "mm_distance_balanced", "embedding_fid"):
        assert own[key] < other[key]
    assert own["embedding_fid"] == 0


def test_replications_are_those_of_the_metric(make, speaking):
    pairs = [(clip.motion, clip) for clip in clips_of(speaking)]
    one, many = scored(make("r_precision", replications=1), pairs), scored(make("r_precision"), pairs)
    assert (one["replications"], many["replications"]) == (1, 20)
    assert one["r_precision_1_interval"] == 0 < many["r_precision_1_interval"]


def test_values_by_clip_average_to_the_whole(make, speaking):
    evaluator = make("mm_distance")
    values = [evaluator.update(another(speaking, clip), clip) for clip in clips_of(speaking)]
    weights = [value["mm_distance_n"] for value in values]
    mean = np.average([value["mm_distance"] for value in values], weights=weights)
    numbers = evaluator.compute()
    assert numbers["mm_distance"] == pytest.approx(mean)
    assert numbers["n"] == sum(weights)


@pytest.mark.parametrize("name", SINGLE)
def test_order_and_shards_do_not_matter(make, speaking, name):
    pairs = [(another(speaking, clip), clip) for clip in clips_of(speaking)]
    whole, left, right = scored(make(name), pairs), make(name), make(name)
    for number, (prediction, clip) in enumerate(reversed(pairs)):
        (left if number % 2 else right).update(prediction, clip)
    left.merge(right)
    assert left.compute() == whole


def test_windows_of_a_clip_are_units_of_their_own(make, speaking):
    evaluator = make("mm_distance")
    clip = clips_of(speaking)[0]
    for number, start in enumerate((0, 300)):
        evaluator.update(clip.motion.cut(start, start + 300), clip.cut(start, start + 300), unit=f"{clip.id}/{number}")
    assert evaluator.compute()["n"] >= 2


def test_a_clip_without_phrases_is_skipped_and_nothing_else_is_an_error(make, speaking):
    evaluator, silent = make("mm_distance"), speaking_clip("2_scott_0_99_99", 0, seed=5)
    assert evaluator.update(silent.motion, silent) == {}
    with pytest.raises(InputError, match="mm_distance of no embeddings"):
        evaluator.compute()
    clip = clips_of(speaking)[0]
    evaluator.update(clip.motion, clip)
    assert evaluator.compute()["skipped"] == 1


def test_several_samples_are_compared_with_each_other(make, speaking):
    same, different = make("embedding_multimodality"), make("embedding_multimodality")
    for clip in clips_of(speaking):
        same.update(clip.motion, clip, unit=clip.id)
        different.update(clip.motion, clip, unit=clip.id)
    with pytest.raises(InputError, match="has 1 samples; expected 2"):
        same.compute()
    for clip in clips_of(speaking):
        same.update(clip.motion, clip, unit=clip.id)
        different.update(another(speaking, clip), clip, unit=clip.id)
    assert same.compute()["embedding_multimodality"] == 0
    assert different.compute()["embedding_multimodality"] > 1


def test_rareness_is_told_against_the_training_phrases(make, speaking, folder):
    evaluator, clip = make("rare_mm_distance"), clips_of(speaking)[0]
    evaluator.update(clip.motion, clip)
    found = evaluator._rows._batches[0].rareness
    assert ((found > -1e-3) & (found < 1)).all()
    transcripts = read_transcripts(folder)
    assert rareness(transcripts[:3], transcripts) == pytest.approx(np.zeros(3), abs=1e-6)


def test_a_space_that_did_not_pass_its_gate_says_so(make, speaking, folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    record = json.loads((folder / RECORD).read_text())
    (tmp_path / RECORD).write_text(json.dumps({**record, "gate": {**record["gate"], "informative": False}}))
    pairs = [(clip.motion, clip) for clip in clips_of(speaking)]
    assert scored(make("r_precision", tmp_path), pairs)["informative"] is False
    assert "informative" not in scored(make("embedding_fid", tmp_path), pairs)


def test_without_an_encoder_the_metric_names_the_way_to_one(make, speaking):
    clip = clips_of(speaking)[0]
    with pytest.raises(InputError, match=r"r_precision has no encoder; .* run a grid with the metric r_precision"):
        make("r_precision", None).update(clip.motion, clip)
