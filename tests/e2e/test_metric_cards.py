"""The verbs of `gesturebench metrics` as a user calls them."""

import json

import pytest


def test_cards_of_a_fitted_metric_and_of_beats_with_what_stands_beside_them(call, corpus, tmp_path):
    """Nothing was run before: the store is prepared and the classifier fitted by the way."""
    options = ("--data", corpus, "--splits", "all", "--clips", 4, "--runs", tmp_path / "runs", "--out", tmp_path)
    for name in ("semantic_hit", "bc"):
        done = call("metrics", "card", name, *options)
        assert done.returncode == 0, done.stderr
        assert "stand-in corpus, not BEAT2" in done.stdout
        assert "speech shifted +250 ms" in done.stdout
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    hit = json.loads((tmp_path / "semantic_hit.json").read_text())
    values = {reading["name"]: reading["value"] for reading in hit["columns"][0]["readings"]}
    assert values["ground truth"] > values["frozen"]
    page = (tmp_path / "bc.md").read_text()
    assert "BC, bc as published (beside it)" in page
    assert "## Stress contrast (beside it)" in page


def test_show_lists_and_explains(call):
    assert "stress_beats" in call("metrics").stdout
    told = call("metrics", "show", "bc").stdout
    assert "formula: " in told
    assert "printed as: EMAGE x 10" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["card", "fdg"], "error: unknown metric 'fdg'"),
        (["card", "r_precision"], "error: no card of r_precision: it scores embeddings"),
        (["card", "bc", "--data", "nowhere"], "error: nowhere: no such folder"),
        (["card", "bc", "--protocol", "emgae"], "error: unknown protocol 'emgae'"),
        (["card", "bc", "--size", "huge"], "error: unknown size 'huge'; expected one of demo, paper, tiny"),
        (["card", "bc", "--splits", ","], "error: --splits names no split"),
        (["card", "bc", "--out", "/proc/cards"], "error: /proc/cards"),
        (["card", "bc", "--clips", "1"], "error: Invalid value for '--clips'"),
        (["show", "fdg"], "did you mean 'fgd'?"),
        (["reference", "--page", "nowhere.md"], "error: nowhere.md: no such file"),
    ],
)
def test_faults_end_with_one_line_and_exit_code_2(call, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call("metrics", *words, GESTUREBENCH_RUNS=str(tmp_path / "runs"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr


@pytest.mark.parametrize("verb", ["show", "card", "reference"])
def test_every_verb_has_an_example(call, verb):
    assert f"Example: gesturebench metrics {verb}" in call("metrics", verb, "--help", COLUMNS="200").stdout
