"""Published tables: ours beside the printed number in its scale and digits, whatever there is of ours."""

import csv
import io

import pytest

from gesturebench.benchmarks.grid import Grid, Row
from gesturebench.benchmarks.plan import Plan, make_plan
from gesturebench.benchmarks.source import FolderSource, StandinSource
from gesturebench.benchmarks.state import RunStore
from gesturebench.common.files import write_json
from gesturebench.results.render import FORMATS, render
from gesturebench.results.sheet import Sheet
from gesturebench.results.specs import TableSpec, load_spec, table_names
from gesturebench.tabling import reproduced

SPEC = {
    "paper": "EMAGE",
    "table": "Table 4",
    "caption": "c & d",
    "published": [{"file": "beat2", "table": "EMAGE Table 4"}],
    "grids": ["mine"],
    "columns": [{"published": "FGD", "ours": "fgd"}, {"published": "BC", "ours": "bc", "heading": "Beats"}],
    "rows": [{"published": "S2G"}, {"published": "CaMN", "ours": "base"}, {"published": "EMAGE"}],
    "baseline": "CaMN",
    "footnotes": ["odd"],
}
ROWS = (
    Row(label="Ground truth", method="ground_truth", group="anchor", seeds=(0,)),
    Row(label="EMAGE", method="rag_gesture"),
    Row(label="base", method="rag_gesture", config={"retrieval": {"strategy": "discourse"}}),
    Row(label="mine alone", method="rag_gesture", config={"retrieval": {"strategy": "random"}}, group="control"),
)
VALUES = {"Ground truth": 0.1, "EMAGE": 0.5678, "base": 0.9, "mine alone": 0.3}


def plan(source=None) -> Plan:
    grid = Grid(title="T", data="x", protocol="beat2", preset="tiny", metrics=("fgd", "bc"), rows=ROWS)
    return make_plan(grid, source or StandinSource("tiny"))


@pytest.fixture
def store(tmp_path) -> RunStore:
    store = RunStore(tmp_path)
    for source in (StandinSource("tiny"), FolderSource(tmp_path, "x")):
        for cell in plan(source).cells:
            for metric, step in cell.evaluate.items():
                value = VALUES[cell.row.label]
                clips = {
                    f"clip{i}": {metric: value, "frames": 10} if metric == "bc" else {"frames": 10} for i in range(8)
                }
                write_json(step.folder(store.runs) / "per_clip.json", clips)
                write_json(step.folder(store.runs) / "record.json", {"metrics": {metric: value, "n": 8}, "clips": 8})
    return store


def rows_of(sheet: Sheet) -> dict[str, list[str]]:
    return {row[0].text: [words.text for words in row[1:]] for _, rows in sheet.sections for row in rows}


def test_ours_stands_beside_the_published_number_in_its_scale_and_digits(store):
    sheet = reproduced(TableSpec.parse(SPEC), {0: plan()}, store)
    assert rows_of(sheet)["EMAGE"] == ["5.512", "5.678", "7.724", "5.678 ±0.000*"]
    assert rows_of(sheet)["CaMN"] == ["6.644", "9.000", "6.769", "9.000 ±0.000"]
    assert rows_of(sheet)["S2G"] == ["28.15", "not available", "4.683", "not available"]
    assert [head.whole for head in sheet.heads[1:3]] == ["FGD ↓ published", "FGD ↓ ours (stand-in)"]


def test_the_paper_decides_which_side_is_better(store):
    """Beats are better the more there are, says the paper; ours calls for closeness to the ground truth."""
    sheet = reproduced(TableSpec.parse(SPEC), {0: plan()}, store)
    assert sheet.heads[3].whole == "Beats ↑ published"
    best = {row[0].text for _, rows in sheet.sections for row in rows for words in row if words.mark == "best"}
    assert best == {"CaMN"}


def test_rows_that_the_paper_does_not_have_come_last(store):
    sheet = reproduced(TableSpec.parse(SPEC), {0: plan()}, store)
    assert [title for title, _ in sheet.sections] == ["", "Rows that the paper does not have"]
    assert [row[0].text for row in sheet.sections[1][1]] == ["Ground truth", "mine alone"]
    assert rows_of(sheet)["mine alone"] == ["-", "3.000", "-", "3.000 ±0.000"]


def test_standin_numbers_say_so_and_real_ones_do_not(store, tmp_path):
    spec = TableSpec.parse(SPEC)
    standin = render(reproduced(spec, {0: plan()}, store), "markdown")
    assert "(ours on the stand-in corpus, not BEAT2)" in standin
    assert "the size of numbers cannot" in standin
    real = render(reproduced(spec, {0: plan(FolderSource(tmp_path, "x"))}, store), "markdown")
    assert "stand-in" not in real
    assert "FGD ↓ ours |" in real


def test_setting_and_footnotes_stand_below(store):
    sheet = reproduced(TableSpec.parse(SPEC), {0: plan()}, store)
    assert sheet.setting.startswith(
        "Published: BEAT2 English, speaker 2 test. Ours: N = 8 clips, 1 seed; protocol beat2"
    )
    assert "Published: odd" in sheet.remarks
    assert "Ours are printed in the paper's scale: FGD x 10, Beats x 10." in sheet.remarks
    assert "No row of ours: S2G." in sheet.remarks


def test_csv_has_both_sides_raw(store):
    text = render(reproduced(TableSpec.parse(SPEC), {0: plan()}, store), "csv")
    found = next(r for r in csv.DictReader(io.StringIO(text)) if (r["row"], r["column"]) == ("EMAGE", "BC"))
    assert (found["published"], found["published_raw"], found["mean"]) == ("7.724", "0.7724", "0.5678")
    assert float(found["p_baseline"]) < 0.05


@pytest.mark.parametrize("name", table_names())
def test_without_anything_of_ours_the_published_numbers_stand(name, tmp_path):
    spec = load_spec(name)
    sheet = reproduced(spec, {}, RunStore(tmp_path))
    printed = [words.text for _, rows in sheet.sections for row in rows for words in row[1:]]
    ours = [head.text == "ours" for head in sheet.heads[1:]] * len(spec.rows)
    assert {text for text, own in zip(printed, ours) if own} <= {"not available"}
    values = [value for column in spec.columns for value in spec.values(column)]
    assert sum(text != "-" for text, own in zip(printed, ours) if not own) == len(values)
    for form in FORMATS:
        assert render(sheet, form)
