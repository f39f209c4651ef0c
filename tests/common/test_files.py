"""Files are whole or absent, hashes are about content, refusals say what to do."""

import errno
import pickle

import numpy as np
import pytest

from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.files import (
    check_output,
    explained,
    publish,
    read_json,
    sha256_file,
    sha256_json,
    write_json,
    write_npz,
    writing,
)
from gesturebench.common.seeds import numpy_generator, seed_of, torch_generator


def test_interrupted_writing_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(KeyboardInterrupt), writing(path) as part:
        raise KeyboardInterrupt(part.write_text("half"))
    assert read_json(path) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"], "no part is left behind"


def test_a_folder_where_none_can_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/b: cannot be written .*; expected a folder you may write to"):
        write_json(tmp_path / "file" / "b", 1)


def test_full_disk_is_explained(tmp_path):
    with pytest.raises(InputError, match="the disk is full"), writing(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM, errno.EISDIR, errno.ENOENT])
def test_a_refusal_is_explained_if_it_is_about_the_place(tmp_path, number):
    with pytest.raises(InputError, match="cannot be written"), explained(tmp_path / "a"):
        raise OSError(number, "no", str(tmp_path / "a.part"))
    with pytest.raises(InputError, match="cannot be written"), explained(tmp_path / "new" / "a"):
        raise OSError(number, "no", str(tmp_path))
    with pytest.raises(OSError, match="elsewhere"), explained(tmp_path / "out" / "a"):
        raise OSError(number, "no", str(tmp_path / "in" / "elsewhere"))


def test_a_place_for_a_file_is_checked_beforehand(tmp_path):
    with pytest.raises(InputError, match="is a folder; expected the name of a file"):
        check_output(tmp_path)
    with pytest.raises(InputError, match="is a folder"), writing(tmp_path):
        pass
    with pytest.raises(InputError, match="cannot be written"):
        check_output(tmp_path / ("x" * 300))
    check_output(tmp_path / "new" / "a.npz")
    assert list((tmp_path / "new").iterdir()) == []


def test_first_published_folder_wins(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
        publish(tmp_path / name, tmp_path / "store" / "key")
    assert (tmp_path / "store" / "key" / "file").read_text() == "one"
    assert not (tmp_path / "two").exists()


def test_broken_json_is_named(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match=r"a\.json: not valid JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"b\.json: no such file"):
        read_json(tmp_path / "b.json")
    (tmp_path / "c.json").mkdir()
    with pytest.raises(InputError, match=r"c\.json: cannot be read \(Is a directory\)"):
        read_json(tmp_path / "c.json")


def test_hash_of_values_forgets_order_and_sees_content():
    assert sha256_json({"a": 1, "b": [1, 2]}) == sha256_json({"b": [1, 2], "a": 1})
    assert sha256_json([1, 2]) != sha256_json([2, 1])
    assert sha256_json(np.float64(0.5)) == sha256_json(0.5)
    with pytest.raises(TypeError, match="is not JSON"):
        sha256_json(object())


def test_arrays_are_written_reproducibly(tmp_path):
    for name in ("a", "b"):
        write_npz(tmp_path / name, x=np.arange(5))
    assert sha256_file(tmp_path / "a") == sha256_file(tmp_path / "b")


def test_errors_cross_process_borders():
    error = InputError("x", expected="y", remedy="z")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.exit_code) == ("x; expected y; z", 2)


def test_unknown_names_have_near_matches():
    assert "did you mean 'rag_gesture'?" in str(unknown_name("method", "rag_gestures", ["rag_gesture", "exges"]))
    assert "none is registered" in str(unknown_name("method", "x", []))


def test_seeds_come_from_names_alone():
    assert seed_of("sample", 0, "clip") == seed_of("sample", "0", "clip")
    assert len({seed_of("sample", s, c) for s in range(50) for c in range(50)}) == 2500
    assert seed_of("ab", "c") != seed_of("a", "bc")
    assert 0 <= seed_of("x") < 2**63
    assert torch_generator("x").initial_seed() == seed_of("x")
    np.testing.assert_array_equal(numpy_generator("x").normal(size=3), numpy_generator("x").normal(size=3))
