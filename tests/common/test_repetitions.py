"""Folders of repetitions: where they may lie, and one clear line for what is wrong with them."""

from pathlib import Path

import pytest

from gesturebench.common.corpus.repetitions import read_repetitions
from gesturebench.common.errors import InputError

ID, OTHER = "2_scott_0_1_1", "2_scott_0_2_2"


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def window(home: str) -> list[str]:
    return [f"{home}/{name}" for name in ("pred_motion.npz", "gt_motion.npz", "gt_audio.wav")]


def whole(*numbers: int, stem: str = "") -> list[str]:
    return [f"{stem}rep{n}/{ID}.npz" for n in numbers]


@pytest.mark.parametrize(
    ("names", "layout", "ids"),
    [
        (whole(0, 1, 10), "gesturebench", {f"rep{n}": [ID] for n in (0, 1, 10)}),
        (whole(0, 1, stem="run_of_may_"), "gesturebench", {"rep0": [ID], "rep1": [ID]}),
        (
            [f"rep{n}/9/{half}_{ID}.npz" for n in (0, 1) for half in ("res", "gt")],
            "emage",
            {"rep0": [ID], "rep1": [ID]},
        ),
        (
            [*window(f"x_rep0/{ID}/0"), *window(f"x_rep1/{ID}/0"), *window(f"x_rep1/{ID}/1")],
            "rag_gesture",
            {"rep0": [f"{ID}/0"], "rep1": [f"{ID}/0", f"{ID}/1"]},
        ),
        (
            [*window(f"{ID}_rep0/0"), *window(f"{ID}_rep1/0"), *window(f"{OTHER}_rep1/2")],
            "rag_gesture",
            {"rep0": [f"{ID}/0"], "rep1": [f"{ID}/0", f"{OTHER}/2"]},
        ),
        (
            [*window(f"{ID}/0_rep0"), *window(f"{ID}/0_rep1"), *window(f"{ID}/12_rep0")],
            "rag_gesture",
            {"rep0": [f"{ID}/0", f"{ID}/12"], "rep1": [f"{ID}/0"]},
        ),
        ([f"{ID}.npz"], "gesturebench", {"": [ID]}),
        (window(f"{ID}/3"), "rag_gesture", {"": [f"{ID}/3"]}),
    ],
)  # fmt: skip
def test_the_contents_tell_the_repetitions(tmp_path, names, layout, ids):
    found = read_repetitions(touch(tmp_path, *names))
    assert {name: [item.id for item in sample.items] for name, sample in found.samples.items()} == ids
    assert list(found.samples) == list(ids), "rep0 comes first, rep10 after rep1"
    assert {sample.layout for sample in found.samples.values()} == {layout}


def test_the_files_of_a_repetition_are_its_own(tmp_path):
    found = read_repetitions(touch(tmp_path, *window(f"{ID}/0_rep0"), *window(f"{ID}/0_rep1")))
    assert [s.items[0].prediction.parent.name for s in found.samples.values()] == ["0_rep0", "0_rep1"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no predictions; expected"),
        ([*whole(0, 1), f"{ID}.npz"], f"rep. beside {ID}.npz; expected motion of one kind"),
        ([*window(f"{ID}/0"), *window(f"{ID}/0_rep1")], "rep1 beside windows without repetitions"),
        ([*whole(0), *window(f"{ID}_rep0/0")], "rep0 beside rep0; expected motion of one kind"),
        ([*whole(0, stem="a_"), *whole(0, stem="b_")], r"repetitions of 2 kinds .a_rep\*, b_rep\*."),
        ([*whole(0), f"rep1/res_{ID}.npz", f"rep1/gt_{ID}.npz"], "rep1: holds files of layout 'emage'; .* as in rep0"),
        ([*whole(0), "rep1/notes.txt"], "rep1: no predictions"),
        ([*window(f"{ID}/0_rep0"), f"{ID}/0_rep1/pred_motion.npz"], "0_rep1/gt_motion.npz: no such file beside 0_rep1"),
        (window(f"{ID}/0_again1"), "0_again1: not a window"),
    ],
)
def test_one_line_for_what_is_wrong(tmp_path, names, message):
    with pytest.raises(InputError, match=message) as error:
        read_repetitions(touch(tmp_path, *names))
    assert "\n" not in str(error.value)


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read_repetitions(tmp_path / "absent")


def test_what_one_lacks_and_all_hold(tmp_path):
    found = read_repetitions(touch(tmp_path, *whole(0, 1), f"rep0/{OTHER}.npz"))
    assert found.gap({ID}) is None
    assert found.gap({ID, OTHER}) == f"rep1 lacks {OTHER} (1 missing of 2 x 2)"
    shared = found.common({ID, OTHER})
    assert [sample.clips for sample in shared.samples.values()] == [(ID,), (ID,)]
    assert found.common({ID}).first.clips == (ID, OTHER), "clips that nobody asks for stay"
    with pytest.raises(InputError, match="nothing is in all of rep0, rep1"):
        found.common({OTHER})
