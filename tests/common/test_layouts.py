"""Folders of predictions: which layout they have, and one clear line for what is wrong with them."""

from pathlib import Path

import pytest

from gesturebench.common.corpus.layouts import read_layout
from gesturebench.common.corpus.units import Unit
from gesturebench.common.errors import InputError

ID = "2_scott_0_1_1"


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def window(number: int | str) -> list[str]:
    return [f"{ID}/{number}/{name}" for name in ("pred_motion.npz", "gt_motion.npz", "gt_audio.wav")]


@pytest.mark.parametrize(
    ("names", "layout", "ids"),
    [
        ([f"{ID}.npz", "2_scott_0_2_2.npz", "notes.txt", ".part.npz"], "gesturebench", [ID, "2_scott_0_2_2"]),
        ([f"res_{ID}.npz", f"gt_{ID}.npz"], "emage", [ID]),
        ([f"100/res_{ID}.npz", f"100/gt_{ID}.npz", "log/train.txt"], "emage", [ID]),
        ([*window(10), *window(2), "videos/a/b.mp4"], "rag_gesture", [f"{ID}/2", f"{ID}/10"]),
    ],
)
def test_the_contents_tell_the_layout(tmp_path, names, layout, ids):
    found = read_layout(touch(tmp_path, *names))
    assert (found.layout, [item.id for item in found.items]) == (layout, ids)


def test_emage_and_mambatalk_write_the_same(tmp_path):
    touch(tmp_path, f"res_{ID}.npz", f"gt_{ID}.npz")
    assert read_layout(tmp_path, "mambatalk").layout == "mambatalk"
    assert read_layout(tmp_path, "mambatalk").items == read_layout(tmp_path, "emage").items


@pytest.mark.parametrize(
    ("names", "layout", "message"),
    [
        ([], "auto", "no predictions; expected <clip id>.npz, res_"),
        (["a.txt"], "auto", "no predictions"),
        ([f"{ID}.npz"], "emage", r"holds files of layout 'gesturebench'; expected 'emage'; pass --layout gesturebench"),
        ([f"{ID}.npz"], "emagee", "unknown layout 'emagee'.*did you mean 'emage'"),
        ([f"{ID}.npz", f"res_{ID}.npz"], "auto", f"res_{ID}.npz beside {ID}.npz; expected files of one layout"),
        ([f"res_{ID}.npz"], "auto", rf"gt_{ID}.npz: no such file beside res_{ID}.npz; .*--partial"),
        ([f"gt_{ID}.npz"], "auto", rf"res_{ID}.npz: no such file beside gt_{ID}.npz"),
        ([f"1/res_{ID}.npz", f"2/res_{ID}.npz"], "auto", "predictions of 2 epochs .1, 2.; .*pass the sub-folder"),
        ([*window(0), f"{ID}/1/pred_motion.npz"], "auto", rf"{ID}/1/gt_motion.npz: no such file beside 1"),
        ([*window(0), f"{ID}/1/gt_audio.wav"], "auto", rf"{ID}/1/pred_motion.npz: no such file"),
        ([*window("last")], "auto", rf"{ID}/last: not a window; expected folders"),
        ([*window(0), f"{ID}/full_pred_motion.npz"], "auto", "synthesised in one piece, its windows overlap"),
        ([f"run/{name}" for name in window(0)], "auto", "no predictions; .*; pass .*/run$"),
    ],
)
def test_one_line_for_what_is_wrong(tmp_path, names, layout, message):
    with pytest.raises(InputError, match=message) as error:
        read_layout(touch(tmp_path, *names), layout)
    assert "\n" not in str(error.value)


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read_layout(tmp_path / "absent")


def test_halves_are_left_out_if_that_is_wanted(tmp_path):
    touch(tmp_path, *window(0), f"{ID}/1/pred_motion.npz")
    assert [item.id for item in read_layout(tmp_path, partial=True).items] == [f"{ID}/0"]
    touch(tmp_path / "pairs", f"res_{ID}.npz")
    with pytest.raises(InputError, match="no whole prediction"):
        read_layout(tmp_path / "pairs", partial=True)


def test_windows_hold_their_own_frames(tmp_path):
    found = read_layout(touch(tmp_path, *window(0), *window(2)))
    assert found.item_of(Unit("u", ID, 0, 300)).window == 0
    assert found.item_of(Unit("u", ID, 300, 600)) is None
    assert found.item_of(Unit("u", ID, 664, 728)).first == 600
    assert found.item_of(Unit("u", "2_scott_0_2_2", 0, 300)) is None
