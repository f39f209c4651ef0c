"""Settings of others are read as values; nothing they say is run."""

import pytest

from gesturebench.common.errors import InputError
from gesturebench.common.weights.settings import read_python, read_yaml


def write(tmp_path, text: str, name: str = "settings.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_values_are_found_by_their_own_name_and_outer_ones_win(tmp_path):
    told = read_yaml(write(tmp_path, "vae: {num_heads: 4, deep: {num_heads: 8, ff: 3}}\nlist: [{a: 1}]\nff: 2\n"))
    assert (told["num_heads"], told["ff"], told["a"]) == (4, 2, 1)


def test_objects_of_python_are_read_as_what_they_consist_of(tmp_path):
    mark = tmp_path / "ran"
    text = (
        f"!!python/object:argparse.Namespace\nnum_heads: 4\nsizes: !!python/tuple [1, 2]\n"
        f"run: !!python/object/apply:os.system ['touch {mark}']\n"
    )
    told = read_yaml(write(tmp_path, text))
    assert (told["num_heads"], told["sizes"]) == (4, [1, 2])
    assert told["run"] == [f"touch {mark}"]
    assert not mark.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", r"settings.yaml: not valid YAML \(.*\); download it again"),
        ("just words", "settings.yaml: holds a str; expected settings by name"),
        ("", "holds a NoneType"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(text, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_yaml(write(tmp_path, text))


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nothing.yaml: no such file"):
        read_yaml(tmp_path / "nothing.yaml")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary.py: cannot be read"):
        read_python(tmp_path / "binary.py")


def test_what_python_assigns_is_read_as_far_as_it_is_a_value(tmp_path):
    mark = tmp_path / "ran"
    text = f"""
import os
open({str(mark)!r}, "w").close()
width = 512
offset = -1.5
names = ["a", "b"]
computed = width * 2
model = dict(
    type="Model",
    inner=dict(width=width, twice=width * 2, home=os.getcwd(), scale={{"upper": 1.0, "hands": os.cpu_count()}}),
    both=[width, os.getcwd()],
)
late = later
"""
    told = read_python(write(tmp_path, text, "config.py"))
    assert (told["width"], told["offset"], told["names"], told["type"]) == (512, -1.5, ["a", "b"], "Model")
    assert told["scale"] == {"upper": 1.0}
    assert not {"computed", "twice", "home", "both", "late"} & told.keys()
    assert not mark.exists()
