import pytest


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """Nothing of the user's: no key, no endpoint, replies and `.env` in a folder of the test."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "GESTUREBENCH_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GESTUREBENCH_REPLIES", str(tmp_path / "replies"))
    monkeypatch.chdir(tmp_path)
