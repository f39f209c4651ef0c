"""What the verbs about weights say."""

from pathlib import Path

import pytest

from gesturebench.common.errors import InputError
from gesturebench.common.weights.passport import Passport
from gesturebench.weights import export_weights, import_weights, list_weights
from tests.methods.rag_gesture.released import Released


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    return Released.random().write(tmp_path_factory.mktemp("published"))


def test_an_import_tells_hashes_and_how_to_use_it(published, tmp_path, capsys):
    out = tmp_path / "own"
    import_weights("rag_gesture", published, out)
    passport, said = Passport.read(out), capsys.readouterr().out
    assert f"{out}: {sum(part.tensors for part in passport.parts.values())} tensors, 0.4 M parameters" in said
    assert all(f"sha256 {file.sha256}  {file.path}" in said for file in passport.files)
    assert f"passport {passport.sha256}; use them with `gesturebench run 'rag_gesture[weights={out}]'`" in said
    import_weights("rag_gesture", published, out)
    assert f"{out}: already there, " in capsys.readouterr().out


def test_imports_are_listed_and_exported(published, tmp_path, capsys):
    import_weights("rag_gesture", published, tmp_path / "one")
    import_weights("rag_gesture", published, tmp_path / "two", repository="someone/weights", revision="c0ffee" * 6)
    capsys.readouterr()
    list_weights(tmp_path)
    said = capsys.readouterr().out
    assert "a folder" in said
    assert "someone/weights at" in said
    assert "c0ffeec0ffee" in said
    export_weights("rag_gesture", tmp_path / "one", tmp_path / "theirs")
    import_weights("rag_gesture", tmp_path / "theirs", tmp_path / "again")
    again, one = Passport.read(tmp_path / "again"), Passport.read(tmp_path / "one")
    assert {name: part.files for name, part in again.parts.items()} == {n: p.files for n, p in one.parts.items()}
    with pytest.raises(InputError, match="theirs: already there; expected a new folder"):
        export_weights("rag_gesture", tmp_path / "one", tmp_path / "theirs")


def test_nothing_to_list(tmp_path, capsys):
    list_weights(tmp_path)
    assert f"{tmp_path}: no imported weights" in capsys.readouterr().out
    with pytest.raises(InputError, match="nowhere: no such folder; import weights with"):
        list_weights(tmp_path / "nowhere")


def test_what_lies_in_the_way_is_not_touched(published, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="already there, and no imported weights; expected a new folder"):
        import_weights("rag_gesture", published, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(InputError, match=r"unknown method with published weights 'rag_gestures'.*did you mean"):
        import_weights("rag_gestures", published, tmp_path)
