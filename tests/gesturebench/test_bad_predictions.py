"""Folders that cannot be scored: one clear line, and nothing half-written."""

import shutil

import numpy as np
import pytest

from gesturebench.common.corpus.protocols import SPEAKER_2_TEST
from gesturebench.common.errors import InputError
from gesturebench.common.motion.export import save_motion
from gesturebench.scoring import Request, evaluate_folder
from tests.gesturebench.conftest import alone, write_own, write_pairs, write_windows

pytestmark = pytest.mark.slow

FIRST = SPEAKER_2_TEST[0]


@pytest.fixture(scope="module")
def folders(clips, predictions, tmp_path_factory):
    return {
        "own": write_own(tmp_path_factory.mktemp("own"), predictions),
        "emage": write_pairs(tmp_path_factory.mktemp("emage"), clips, predictions) / "99",
        "rag": write_windows(tmp_path_factory.mktemp("rag"), clips, predictions),
    }


def truncate(path):
    path.write_bytes(path.read_bytes()[:5000])


def poison(path):
    arrays = dict(np.load(path))
    arrays["poses"][7, 3] = np.nan
    np.savez(path, **arrays)


def slow_down(path):
    arrays = dict(np.load(path))
    np.savez(path, **(arrays | {"mocap_frame_rate": 24}))


def empty(path):
    shutil.rmtree(path)
    path.mkdir()


WINDOW = f"{FIRST}/0"
DAMAGE = [
    ("own", f"{FIRST}.npz", truncate, rf"{FIRST}.npz: truncated or not an npz"),
    ("own", f"{FIRST}.npz", poison, rf"{FIRST}.npz: poses\[7, 3\] is nan"),
    ("own", f"{FIRST}.npz", slow_down, rf"{FIRST}.npz: 24 frames per second; expected 30"),
    ("own", f"{FIRST}.npz", lambda path: path.unlink(), rf"no {FIRST}.npz .1 of 15 clips are missing"),
    ("own", "", empty, "no predictions; expected"),
    ("emage", f"res_{FIRST}.npz", truncate, rf"res_{FIRST}.npz: truncated"),
    ("emage", f"gt_{FIRST}.npz", poison, rf"gt_{FIRST}.npz: poses\[7, 3\] is nan"),
    ("emage", f"res_{FIRST}.npz", slow_down, rf"res_{FIRST}.npz: 24 frames per second"),
    ("emage", f"gt_{FIRST}.npz", lambda path: path.unlink(), rf"gt_{FIRST}.npz: no such file beside res_{FIRST}.npz"),
    ("rag", f"{WINDOW}/pred_motion.npz", truncate, rf"{WINDOW}/pred_motion.npz: truncated"),
    ("rag", f"{WINDOW}/gt_motion.npz", slow_down, rf"{WINDOW}/gt_motion.npz: 24 frames per second"),
    ("rag", f"{WINDOW}/gt_motion.npz", lambda path: path.unlink(), rf"{WINDOW}/gt_motion.npz: no such file beside 0"),
    ("rag", f"{WINDOW}/gt_audio.wav", truncate, rf"{WINDOW}/gt_audio.wav: truncated"),
]
PROTOCOL = {"own": "raggesture-spk2", "emage": "emage-spk2", "rag": "raggesture-spk2"}


@pytest.mark.parametrize(("kind", "name", "damage", "message"), DAMAGE)
def test_one_line_names_the_file(corpus, runs, folders, tmp_path, kind, name, damage, message, capsys):
    folder = tmp_path / "predictions"
    shutil.copytree(folders[kind], folder)
    damage(folder / name)
    given = {"data": str(corpus)} if kind == "own" else alone(corpus) | {"encoder": None}
    request = Request(folder, PROTOCOL[kind], **given, metrics=("l1div",), runs=runs, out=tmp_path / "result.json")
    with pytest.raises(InputError, match=message) as error:
        evaluate_folder(request)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["predictions"]
    assert capsys.readouterr().out == ""


def test_windows_are_no_whole_clips(corpus, runs, folders):
    with pytest.raises(InputError, match=r"windows of 300 frames; expected whole seconds.*choose raggesture"):
        evaluate_folder(Request(folders["rag"], "emage-spk2", data=str(corpus), runs=runs, grid="tiny"))


def test_our_layout_brings_no_ground_truth(folders):
    with pytest.raises(InputError, match=r"without ground truth.*pass --data"):
        evaluate_folder(Request(folders["own"], "emage-spk2", grid="tiny"))


def test_an_encoder_that_no_metric_takes(corpus, folders):
    request = Request(folders["own"], "self", data=str(corpus), encoder=corpus / "weights" / "AESKConv_240_100.bin")
    with pytest.raises(InputError, match="protocol 'self' has no metric with a published encoder"):
        evaluate_folder(request)


def test_lengths_that_were_not_agreed_upon(corpus, runs, clips, predictions, tmp_path):
    write_own(tmp_path, predictions)
    motion = predictions[FIRST]
    save_motion(tmp_path / f"{FIRST}.npz", motion.cut(0, motion.n_frames - 1))
    request = Request(tmp_path, "raggesture-spk2", data=str(corpus), metrics=("l1div",), runs=runs)
    with pytest.raises(InputError, match=rf"prediction for {FIRST}: {motion.n_frames - 1} frames"):
        evaluate_folder(request)


def test_a_published_encoder_that_is_nowhere(folders):
    with pytest.raises(InputError, match=r"no weights/AESKConv_240_100.bin; .*pass --encoder FILE"):
        evaluate_folder(Request(folders["emage"], "emage-spk2", metrics=("fgd",), grid="tiny"))
