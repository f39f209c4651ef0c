import shlex
from pathlib import Path

import typer
from typer.testing import CliRunner

from gesturebench.cli_options import Asked, takes_plan

QUICK = "rag_gesture[retrieval=none; guidance.lr=0.1]"


def asked_by(*words: str) -> Asked:
    """What a verb is given when it is called with these words."""
    given = []
    app = typer.Typer()

    @app.command()
    @takes_plan
    def verb(asked: Asked, loud: bool = False) -> None:
        """Say nothing."""
        given.append((asked, loud))

    result = CliRunner().invoke(app, [*words, "--loud"])
    assert result.exit_code == 0, result.output
    [(asked, loud)] = given
    assert loud
    return asked


def test_a_verb_takes_a_grid_with_changes_beside_its_own_options(monkeypatch):
    monkeypatch.delenv("GESTUREBENCH_RUNS", raising=False)
    asked = asked_by("demo", "--seeds", "0..4", "--metrics", "fgd,bc")
    assert asked == Asked(grid="demo", seeds="0..4", metrics="fgd,bc", runs=Path("runs"))


def test_what_was_asked_can_be_asked_again_by_its_name(monkeypatch):
    monkeypatch.delenv("GESTUREBENCH_RUNS", raising=False)
    asked = asked_by(QUICK, "--data", "my corpus", "--runs", "else where", "--preset", "tiny")
    assert asked_by(*shlex.split(asked.named())) == asked
    assert asked_by("demo").named() == "demo"
