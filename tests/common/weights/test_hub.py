"""Downloads from a small hub on this machine, by the hub's own client."""

import contextlib
import hashlib

import pytest

from gesturebench.common.errors import InputError
from gesturebench.common.weights import hub
from tests.common.weights.local_hub import COMMIT, Hub, serving

FILES = {
    "vae/upper/upper.bin": bytes(range(256)) * 4_000,
    "vae/upper/upper.yaml": b"num_heads: 4\n",
    "README.md": b"# weights\n",
}
REPOSITORY = hub.Repository("someone/weights", include=("vae/*",))


@pytest.fixture
def served(monkeypatch):
    """The hub, and the client told of it as HF_ENDPOINT would."""
    import huggingface_hub.constants

    with serving(Hub("someone/weights", dict(FILES))) as server:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield server


def fetched(folder, repository=REPOSITORY, revision=hub.REVISION) -> dict[str, str]:
    told = {}
    hub.download(hub.look_up(repository, revision), folder, lambda file, sha256: told.update({file.path: sha256}))
    return told


def test_what_the_hub_has_is_told_before_anything_is_loaded(served):
    snapshot = hub.look_up(REPOSITORY)
    assert snapshot.commit == COMMIT
    assert [file.path for file in snapshot.files] == ["vae/upper/upper.bin", "vae/upper/upper.yaml"]
    assert snapshot.bytes == sum(len(FILES[file.path]) for file in snapshot.files)
    assert not any("/resolve/" in path for _, path, _ in served.asked)


def test_wanted_files_arrive_whole_and_are_not_loaded_twice(served, tmp_path):
    told = fetched(tmp_path)
    for path, sha256 in told.items():
        assert (tmp_path / path).read_bytes() == FILES[path]
        assert sha256 == hashlib.sha256(FILES[path]).hexdigest()
    assert set(told) == {"vae/upper/upper.bin", "vae/upper/upper.yaml"}
    assert not (tmp_path / "README.md").exists()
    served.asked.clear()
    assert fetched(tmp_path, revision=COMMIT) == told
    assert not any(command == "GET" and "/resolve/" in path for command, path, _ in served.asked)


def test_a_broken_download_goes_on_where_it_was(served, monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 100_000)
    served.fails["vae/upper/upper.bin"] = 450_000
    with contextlib.suppress(InputError):  # the client itself may try again at once
        fetched(tmp_path)
    fetched(tmp_path)
    assert (tmp_path / "vae/upper/upper.bin").read_bytes() == FILES["vae/upper/upper.bin"]
    ranges = [wanted for command, path, wanted in served.asked if command == "GET" and path.endswith("upper.bin")]
    assert any(wanted and wanted != "bytes=0-" for wanted in ranges), ranges


def test_other_content_than_the_hub_says_is_refused_and_removed(served, tmp_path):
    served.lies.add("vae/upper/upper.bin")
    with pytest.raises(
        InputError, match=r"upper.bin: is not the file of someone/weights .*removed.*; expected 1024000"
    ):
        fetched(tmp_path)
    assert not (tmp_path / "vae/upper/upper.bin").exists()
    served.lies.clear()
    assert fetched(tmp_path)


def test_a_token_is_taken_from_the_environment(served, monkeypatch, tmp_path):
    served.token = "hf_secret"
    with pytest.raises(InputError, match="someone/weights: not there, or closed to you; if it is private set HF_TOKEN"):
        hub.look_up(REPOSITORY)
    served.gated = True
    with pytest.raises(InputError, match="closed to you; accept its terms there, and set HF_TOKEN"):
        hub.look_up(REPOSITORY)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert hub.look_up(REPOSITORY).commit == COMMIT


def test_refusals_are_told_in_one_line(served):
    with pytest.raises(InputError, match="no revision 'v9'; expected a branch, tag or commit of it"):
        hub.look_up(REPOSITORY, "v9")
    with pytest.raises(InputError, match="someone/else: not there, or closed to you"):
        hub.look_up(hub.Repository("someone/else"))
    with pytest.raises(InputError, match=r"someone/weights at c0ffee.*: no file named \*\.pt; choose other patterns"):
        hub.look_up(hub.Repository("someone/weights", include=("*.pt",)))


def test_no_network_is_told_in_one_line(served, monkeypatch):
    import huggingface_hub.constants

    served.server_close()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"someone/weights: cannot be reached \(\w+: .*; expected a network") as caught:
        hub.look_up(REPOSITORY)
    assert "\n" not in str(caught.value)


def test_too_little_room_is_told_before_the_download(served, monkeypatch, tmp_path):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1000))
    with pytest.raises(InputError, match=r"0.0 GB are free; expected 0.0 GB; choose a folder on another disk"):
        fetched(tmp_path)
    assert not any("/resolve/" in path for _, path, _ in served.asked)
