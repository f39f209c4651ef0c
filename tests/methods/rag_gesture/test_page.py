"""The page about the method says what is so."""

import re
from pathlib import Path
from typing import get_args

import pytest

from gesturebench.benchmarks.quick import quick_rows
from gesturebench.common.config import Config
from gesturebench.common.diffusion.guidance import ITERATIONS, iterations
from gesturebench.common.diffusion.respacing import NAMED, kept_timesteps
from gesturebench.methods.rag_gesture.config import GuidanceConfig, RagGestureConfig

PAGE = (Path(__file__).parents[3] / "docs" / "rag-gesture.md").read_text(encoding="utf-8")


def section(title: str) -> list[list[str]]:
    """Cells of the first table below a heading."""
    lines = PAGE.split(f"{title}\n", 1)[1].splitlines()
    table = re.search(r"(\|.*\n?)+", "\n".join(lines))[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def test_every_mode_is_explained():
    named = {re.match(r"`(\w+)`", row[0])[1] for row in section("## Modes") if row[0].startswith("`")}
    assert named == set(get_args(GuidanceConfig.model_fields["mode"].annotation))


def test_schedules_are_what_the_table_says():
    """Its formulas are read as arithmetic."""
    rows = {re.match(r"`(\w+)`", row[0])[1]: row for row in section("### Schedules: updates at index i of 50")}
    assert set(rows) == set(ITERATIONS)
    for name, (_, formula, total) in rows.items():
        value, _, where = formula.replace("−", "-").partition(" from 25 on")
        value, _, below = value.partition(" below 25")
        counts = [
            eval(value, {}, {"i": i}) if (not where or i >= 25) and (not below or i < 25) else 0 for i in range(49)
        ]
        assert [*counts, 0] == iterations(name)
        assert sum(counts) == int(total)


def test_respacings_are_what_the_table_says():
    rows = dict(section("## Steps and the two-branch mix"))
    assert {name.strip("`") for name in rows} == {*NAMED, "ddimN"}
    for name, text in rows.items():
        if begins := re.search(r"(\d+), (\d+)(?:, (\d+))? … (\d+)", text):
            kept = kept_timesteps(name.strip("`").replace("N", "50"))
            told = [int(number) for number in begins.groups() if number]
            assert [*kept[: len(told) - 1], kept[-1]] == told
    assert kept_timesteps("fast27")[-1] == 997
    assert len(kept_timesteps("trailing")) == 51
    assert sum(t <= 100 for t in kept_timesteps([15, 15, 8, 6, 6])) == 8


@pytest.mark.parametrize("row", section("## Quirks of the released code, and where to find them"), ids=lambda r: r[0])
def test_every_switch_is_there(row):
    for name in re.findall(r"`([\w.]+)`", row[3].split("(")[0]):
        owner: type[Config] = RagGestureConfig
        for part in name.split("."):
            assert part in owner.model_fields, name
            owner = owner.model_fields[part].annotation


def test_the_example_is_a_quick_grid():
    text = re.search(r"gesturebench run '(.*)'", PAGE)[1]
    assert quick_rows(text)[0].axes[1] == {"guidance": ["none", "paper", "released", "inpainting"]}
