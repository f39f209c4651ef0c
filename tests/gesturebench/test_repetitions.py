"""Several samples for every unit: MultiModality by way of folders, whoever's layout they are in."""

import shutil
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from gesturebench.common.corpus.protocol import get_protocol
from gesturebench.common.corpus.protocols import SPEAKER_2_TEST
from gesturebench.common.corpus.units import Cut, Pair, Unit
from gesturebench.common.errors import InputError
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.repeated import Repeated
from gesturebench.scoring import Request, evaluate_folder, rescore, with_settings
from tests.gesturebench.conftest import alone, disturbed, write_own, write_windows

pytestmark = pytest.mark.slow

FIRST, LAST = SPEAKER_2_TEST[0], SPEAKER_2_TEST[-1]
RELEASED = ("multimodality.missing=released",)


@pytest.fixture(scope="module")
def samples(clips) -> list[dict]:
    """Five motions for every clip."""
    return [{clip.id: disturbed(clip.motion, 100 * k + n) for n, clip in enumerate(clips)} for k in range(5)]


@pytest.fixture(scope="module")
def own(samples, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    for k, sample in enumerate(samples):
        write_own(folder / f"rep{k}", sample)
    return folder


@pytest.fixture(scope="module")
def windows(clips, samples, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("windows")
    for k, sample in enumerate(samples):
        write_windows(folder / f"run_rep{k}", clips, sample)
    return folder


@pytest.fixture(scope="module")
def scored(corpus, runs):
    def run(folder, *settings, metrics=("multimodality",), window=300, **changes):
        request = {"data": str(corpus), "runs": runs, "grid": "tiny", "metrics": metrics}
        protocol = get_protocol("raggesture-spk2").model_copy(update={"cut": Cut(window=window)})
        return rescore(with_settings(protocol, settings), Request(folder, **(request | changes)))

    return run


@pytest.fixture(scope="module")
def whole(scored, own):
    return scored(own)


@pytest.fixture(scope="module")
def spread(corpus, samples):
    """The definition, written out: of every window of a clip, on the mean body, `chosen` samples."""
    model = JointModel.from_body_model(Path(alone(corpus)["body"]))

    def positions(motion):
        still = replace(motion, betas=np.zeros(300, np.float32))
        joints = model.positions(still, trans=False, expressions=False)
        return (joints - joints[:1, :1]).reshape(len(joints), -1)

    def of(clip_id, chosen=range(5), window=300):
        spans = Cut(window=window).spans(samples[0][clip_id].n_frames)
        cut = [[positions(samples[k][clip_id].cut(*span)) for k in chosen] for span in spans]
        return [np.mean([np.linalg.norm(a - b) / window for a, b in combinations(motions, 2)]) for motions in cut]

    return of


def regrouped(windows: Path, folder: Path, name: str) -> Path:
    """The same windows, the repetition named in the folder of the clip or of the window."""
    for path in windows.glob("*/*/*/*.*"):
        home, clip_id, window, file = path.relative_to(windows).parts
        target = folder / name.format(clip=clip_id, window=window, rep=home.removeprefix("run_")) / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    return folder


def value(result) -> float:
    return result["metrics"]["multimodality"]["multimodality"]


def test_windows_are_units_and_repetitions_are_samples(scored, own, spread):
    result = scored(own, window=120)
    expected = {clip_id: spread(clip_id, window=120) for clip_id in SPEAKER_2_TEST}
    everything = [one for values in expected.values() for one in values]
    assert min(map(len, expected.values())) > 1, "clips have several windows"
    assert result["metrics"]["multimodality"]["n"] == result["bound"]["units"] == len(everything)
    assert value(result) == pytest.approx(np.mean(everything), rel=1e-9)
    own_values = result["per_unit"]["multimodality"]
    for clip_id, values in expected.items():
        for number, one in enumerate(values):
            assert own_values[f"{clip_id}/{number}"]["multimodality"] == pytest.approx(one, rel=1e-9)
    assert result["frames"] == 120 * len(everything), "the scored speech, not five times that"
    assert result["repetitions"] == [f"rep{k}" for k in range(5)]


def test_every_layout_gives_the_same(scored, whole, windows, tmp_path):
    for folder in (
        windows,
        regrouped(windows, tmp_path / "clips", "{clip}_{rep}/{window}"),
        regrouped(windows, tmp_path / "windows", "{clip}/{window}_{rep}"),
    ):
        theirs = scored(folder)
        assert value(theirs) == pytest.approx(value(whole), rel=1e-12)
        assert (theirs["layout"], theirs["disagreements"]) == ("rag_gesture", [])
        assert theirs["bound_hash"] == whole["bound_hash"]


def test_without_the_data(scored, whole, corpus, windows):
    here = scored(windows, **alone(corpus))
    assert value(here) == pytest.approx(value(whole), rel=1e-9), "samples are compared with each other alone"


def test_other_metrics_are_those_of_the_first_repetition(scored, own):
    all_of_them, first = scored(own, metrics=("l1div", "bc", "multimodality")), scored(own / "rep0", metrics=())
    assert first["left_out"].keys() == {"multimodality"}
    assert all_of_them["metrics"].keys() == {"l1div", "bc", "multimodality"}
    for metric in ("l1div", "bc"):
        assert all_of_them["metrics"][metric] == first["metrics"][metric]
    assert all_of_them["frames"] == first["frames"]


def test_one_sample_says_what_it_lacks(scored, own):
    with pytest.raises(InputError, match=r"rep0 holds 1 sample of each unit; expected 5, in folders rep0 to rep4"):
        scored(own / "rep0")


def test_other_numbers_of_samples(scored, own, whole, spread, tmp_path):
    for k in range(3):
        shutil.copytree(own / f"rep{k}", tmp_path / f"rep{k}")
    with pytest.raises(InputError, match=r"holds 3 samples of each unit; expected 5.*--set multimodality.samples=3"):
        scored(tmp_path)
    result = scored(tmp_path, "multimodality.samples=3")
    expected = [one for clip_id in SPEAKER_2_TEST for one in spread(clip_id, range(3))]
    assert value(result) == pytest.approx(np.mean(expected), rel=1e-9)
    assert result["protocol_hash"] != whole["protocol_hash"]
    assert value(scored(tmp_path, *RELEASED)) == pytest.approx(value(result), rel=1e-12)
    with pytest.raises(InputError, match=r"holds 5 samples of each unit; expected 2, in folders rep0 to rep1"):
        scored(own, "multimodality.samples=2")


@pytest.fixture(scope="module")
def with_gap(own, tmp_path_factory) -> Path:
    """The third repetition lacks a clip."""
    folder = tmp_path_factory.mktemp("gap") / "samples"
    shutil.copytree(own, folder)
    (folder / "rep2" / f"{LAST}.npz").unlink()
    return folder


def test_a_missing_repetition_is_refused(scored, with_gap):
    with pytest.raises(InputError, match=rf"rep2 lacks {LAST} .1 missing of 15 x 5.; expected every unit.*--partial"):
        scored(with_gap)
    rest = scored(with_gap, metrics=())
    assert "rep2 lacks" in rest["left_out"]["multimodality"]
    assert rest["bound"]["partial"] is False, "the first repetition is whole"
    assert rest["repetitions"] == ["rep0"]


def test_a_missing_repetition_as_released(scored, with_gap, spread):
    result = scored(with_gap, *RELEASED)
    values = [one for clip_id in SPEAKER_2_TEST[:-1] for one in spread(clip_id)] + spread(LAST, (0, 1, 3, 4))
    assert value(result) == pytest.approx(np.mean(values), rel=1e-9)
    assert result["metrics"]["multimodality"]["incomplete"] == len(spread(LAST, (0, 1)))


def test_partial_scores_what_all_hold(scored, with_gap, spread):
    result = scored(with_gap, partial=True)
    expected = [one for clip_id in SPEAKER_2_TEST[:-1] for one in spread(clip_id)]
    assert value(result) == pytest.approx(np.mean(expected), rel=1e-9)
    assert (result["bound"]["partial"], result["bound"]["clips"]) == (True, 14)


def test_a_window_that_one_repetition_lacks(scored, corpus, windows, tmp_path):
    shutil.copytree(windows, tmp_path / "samples")
    shutil.rmtree(tmp_path / "samples" / "run_rep0" / FIRST / "0")
    with pytest.raises(InputError, match=rf"rep0 lacks {FIRST}/0"):
        scored(tmp_path / "samples")
    with pytest.raises(InputError, match=rf"no {FIRST}/0/pred_motion.npz"):
        scored(tmp_path / "samples", *RELEASED)
    result = scored(tmp_path / "samples", partial=True, **alone(corpus))
    assert (result["bound"]["partial"], result["bound"]["units"]) == (True, 14)


def test_the_first_repetition_lists_the_units(clips):
    def pairs(*names):
        return [Pair(Unit(name, name, 0, 9), clips[0].motion.cut(0, 9), clips[0].cut(0, 9)) for name in names]

    both = Repeated([pairs("a", "b", "c"), pairs("a", "c"), pairs("b", "c")], ["rep0", "rep1", "rep2"], False)
    assert [(pair.unit.id, pair.sample) for pair in both] == [
        ("a", 0), ("a", 1), ("b", 0), ("b", 2), ("c", 0), ("c", 1), ("c", 2)
    ]  # fmt: skip
    with pytest.raises(InputError, match="rep1: b, which rep0 does not hold"):
        list(Repeated([pairs("a", "c"), pairs("a", "b", "c")], ["rep0", "rep1"], False))


def test_the_screen_says_what_was_scored_on_what(corpus, runs, own, capsys):
    metrics = ("l1div", "multimodality")
    evaluate_folder(Request(own, "raggesture-spk2", data=str(corpus), runs=runs, grid="tiny", metrics=metrics))
    shown = capsys.readouterr().out
    assert "MultiModality" in shown
    assert "multimodality of rep0, rep1, rep2, rep3, rep4; everything else of rep0 alone" in shown


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("multimodality.samples", "expected METRIC.KEY=VALUE"),
        ("multimodal.samples=4", "unknown metric of protocol 'raggesture-spk2' 'multimodal'.*did you mean"),
        ("multimodality.sample=4", "unknown key of protocol raggesture-spk2 multimodality 'sample'.*'samples'"),
        ("multimodality.samples=1", "multimodality.samples = 1"),
        ("multimodality.missing=release", "unknown value of .*'release'.*'released'"),
    ],
)
def test_settings_that_cannot_be(scored, own, setting, message):
    with pytest.raises(InputError, match=message):
        scored(own, setting)
