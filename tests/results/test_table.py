"""Tables from run records: states, groups, refusal to mix, and what the renderers make of them."""

import csv
import io
import re
import shutil

import pytest

from gesturebench.benchmarks import planned
from gesturebench.benchmarks.grid import Grid, Row
from gesturebench.benchmarks.plan import Plan, make_plan
from gesturebench.benchmarks.source import FolderSource, StandinSource
from gesturebench.benchmarks.state import RunStore, StepState
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, write_json
from gesturebench.results.latex import latex_escaped
from gesturebench.results.render import render, to_terminal
from gesturebench.results.sheet import sheet_of
from gesturebench.results.table import build_table

ROWS = (
    Row(label="Truth & more_50%", method="ground_truth", group="anchor", seeds=(0,)),
    Row(label="good", method="rag_gesture", config={"retrieval": {"strategy": "discourse"}}),
    Row(label="bad", method="rag_gesture"),
    Row(label="seer", method="rag_gesture", group="control", config={"retrieval": {"strategy": "positions"}}),
)
VALUES = {"Truth & more_50%": 1.0, "good": 2.0, "bad": 5.0, "seer": 0.5, "other": 3.0, "a|b": 1.0, "worst": 9.0}


def plan(source=None, **changes) -> Plan:
    grid = {
        "title": "T",
        "data": "x",
        "protocol": "standin",
        "preset": "tiny",
        "seeds": (0, 1),
        "metrics": ("fgd", "l1div"),
    }
    return make_plan(Grid(**(grid | {"rows": ROWS} | changes)), source or StandinSource("tiny"))


def record(plan: Plan, store: RunStore, labels=tuple(VALUES), n: int = 4) -> None:
    """Leave what a finished run leaves: seed 1 scores 0.1 more than seed 0."""
    for cell in plan.cells:
        if cell.row.label in labels:
            value = VALUES[cell.row.label] + 0.1 * cell.seed
            for metric, step in cell.evaluate.items():
                own = {"fgd": {}, "l1div": {"l1div": value}}[metric]
                folder = step.folder(store.runs)
                write_json(folder / "per_clip.json", {f"clip{i}": {**own, "frames": 10} for i in range(n)})
                write_json(folder / "record.json", {"metrics": {metric: value, "n": n}, "clips": n})


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path)


def test_means_intervals_and_groups(store):
    p = plan()
    record(p, store)
    table = build_table([p], store)
    lines = {line.label: line for line in table.lines}
    assert lines["good"].entries["fgd"].number.mean == pytest.approx(2.05)
    assert lines["good"].entries["fgd"].number.interval == "seeds"
    assert lines["good"].entries["l1div"].number.interval == "clips"
    assert lines["good"].entries["l1div"].number.low == pytest.approx(2.0)
    assert lines["Truth & more_50%"].entries["fgd"].number.interval == "none"
    assert [heading for heading, _ in table.groups()][-1].startswith("Reads the truth")
    assert lines["seer"].group == "oracle"
    assert "stand-in corpus, not BEAT2" in table.title


def test_best_is_marked_among_methods_only(store):
    p = plan(seeds=range(4))
    record(p, store, n=8)
    table = build_table([p], store)
    marks = {(line.label, key, e.mark) for line in table.lines for key, e in line.entries.items() if e.mark}
    assert marks == {("good", "fgd", "best"), ("good", "l1div", "best")}
    assert any(remark.startswith("Bold is best") for remark in table.remarks)


def test_where_too_little_was_run_nothing_is_marked_and_the_table_says_so(store):
    p = plan(seeds=(0,))
    record(p, store, n=5)
    table = build_table([p], store)
    assert not any(e.mark for line in table.lines for e in line.entries.values())
    assert any("FGD, L1Div (no test is possible with so few clips or seeds" in remark for remark in table.remarks)


def test_a_corpus_that_is_not_generated_is_not_called_a_standin(store, tmp_path):
    assert "stand-in" not in build_table([plan(FolderSource(tmp_path, "x", has_truth=True))], store).title


def test_states_of_what_is_not_there(store):
    p = plan()
    record(p, store, labels=("good",))
    bad = p.cells_of("bad")[0]
    failure = {"kind": "error", "exception": "ValueError", "message": "m", "traceback": ""}
    write_json(store.failure_file(bad.generate.key), {"failure": failure})
    lines = {line.label: line for line in build_table([p], store).lines}
    assert lines["bad"].entries["fgd"].status == "failed"
    assert lines["seer"].entries["fgd"].status == "missing"
    assert lines["good"].entries["fgd"].status == "done"
    assert "failed" in render(build_table([p], store), "markdown")


def failed(store: RunStore, step, kind: str = "error") -> None:
    failure = {"kind": kind, "exception": "ValueError", "message": "no", "traceback": ""}
    write_json(store.failure_file(step.key), {"failure": failure})


@pytest.mark.parametrize(
    ("kind", "status"),
    [("timeout", "timed out"), ("memory", "out of memory"), ("preempted", "preempted"), ("node", "node failure")],
)
def test_how_a_row_ended_is_its_state(store, kind, status):
    p = plan()
    failed(store, p.cells_of("bad")[1].generate, kind)
    line = next(line for line in build_table([p], store).lines if line.label == "bad")
    assert {entry.status for entry in line.entries.values()} == {status}


def test_rows_wait_for_a_shared_part_that_failed(store):
    p = plan()
    codec = p.cells_of("bad")[0].generate.inputs["vae_upper"]
    failed(store, codec)
    table = build_table([p], store)
    states = {line.label: line.entries["fgd"].status for line in table.lines}
    assert states == {"Truth & more_50%": "missing", "good": "blocked", "bad": "blocked", "seer": "blocked"}
    assert "good, bad, seer: fit vae_upper failed: ValueError: no." in table.remarks


def test_states_that_only_a_scheduler_knows(store):
    p = plan()
    record(p, store, labels=("good",))
    waiting = p.cells_of("bad")[0].generate
    states = store.states(p.steps) | {waiting.key: StepState("queued", "job 7")}
    table = build_table([p], store, states)
    assert {line.label: line.entries["fgd"].status for line in table.lines}["bad"] == "queued"
    assert "queued" in render(table, "latex")
    assert any("bad: generate bad (seed 0) queued: job 7" in remark for remark in table.remarks)


def test_rows_that_are_not_built_say_so(store, monkeypatch):
    monkeypatch.setitem(planned.METHODS, "dancer", "a method of another day")
    rows = (*ROWS, Row(label="new", method="dancer"), Row(label="other", method="rag_gesture", awaits="another day"))
    p = plan(rows=rows)
    record(p, store)
    table = build_table([p], store)
    lines = {line.label: line for line in table.lines}
    assert lines["new"].entries["fgd"].status == "not available"
    assert "other: not available: another day." in table.remarks
    assert any(remark.startswith("new: not available: ") and "dancer" in remark for remark in table.remarks)
    assert not any("not there yet" in remark for remark in table.remarks), "nobody can make them yet"


def test_a_part_that_was_trained_with_half_the_batch_is_told(store):
    p = plan()
    record(p, store)
    part = p.cells_of("bad")[1].generate.inputs["denoiser"]
    shared = p.cells_of("bad")[0].generate.inputs["denoiser"]
    for step, divisor in ((part, 2), (shared, 1)):
        write_json(step.folder(store.runs) / "record.json", {"batch_divisor": divisor})
    told = [remark for remark in build_table([p], store).remarks if "half of the configured batch" in remark]
    assert told
    assert all("denoiser (seed 1)" in remark for remark in told)
    assert any(remark.startswith("bad: ") for remark in told)


def test_the_order_in_which_cells_finished_does_not_show(tmp_path):
    p, texts = plan(), []
    for order in (1, -1):
        store = RunStore(tmp_path / str(order))
        for label in list(VALUES)[::order]:
            record(p, store, labels=(label,), n=8)
        texts.append(render(build_table([p], store), "csv"))
    assert texts[0] == texts[1]


def test_a_store_that_cannot_be_written_has_a_table(store):
    p = plan()
    record(p, store)
    before = render(build_table([p], store), "csv")
    left = {path for path in store.runs.rglob("*") if path.is_file()}
    for path in store.runs.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    store.runs.chmod(0o555)
    try:
        assert render(build_table([p], store), "csv") == before
        assert {path for path in store.runs.rglob("*") if path.is_file()} == left
    finally:
        for path in [store.runs, *store.runs.rglob("*")]:
            path.chmod(0o755)


def test_the_caption_says_how_much_was_measured_and_how(store):
    p = plan()
    record(p, store)
    table = build_table([p], store)
    assert table.caption == (
        f"T (stand-in corpus, not BEAT2). N = 4 clips, 1 to 2 seeds; protocol standin ({p.protocol.hash}); data x."
    )
    for form in ("markdown", "html", "latex", "terminal"):
        assert "N = 4 clips, 1 to 2 seeds" in " ".join(render(table, form).split())


def test_rows_are_compared_with_a_baseline(store):
    p = plan(seeds=(0,))
    record(p, store, n=8)
    table = build_table([p], store, baseline="bad")
    line = {line.label: line for line in table.lines}
    assert line["good"].entries["l1div"].against_baseline.real
    assert line["bad"].entries["l1div"].against_baseline is None
    assert "2.00 ±0.00*" in to_terminal(table)
    with pytest.raises(InputError, match=r"unknown row for a baseline 'bat'.*did you mean 'bad'"):
        build_table([p], store, baseline="bat")


def test_equal_labels_of_two_grids_keep_their_own_marks(store):
    here, there = plan(seeds=(0,)), plan(seeds=(1,), rows=(ROWS[1], ROWS[2].model_copy(update={"label": "worst"})))
    record(here, store, n=8)
    record(there, store, n=8)
    marks = [(line.label, line.entries["l1div"].mark) for line in build_table([here, there], store).lines]
    assert ("good", "best") in marks
    assert ("good", "second") in marks


def test_one_seed_of_two_is_not_a_result(store):
    p = plan()
    record(p, store, labels=("good",))
    step = p.cells_of("good")[1].evaluate["fgd"]
    shutil.rmtree(step.folder(store.runs))
    table = build_table([p], store)
    assert table.lines[1].entries["fgd"].status == "missing"
    assert "1/2 seeds" in render(table, "markdown")


def test_protocols_do_not_mix(store):
    here = plan()
    there = plan(protocol="beat2", rows=(ROWS[1].model_copy(update={"label": "other"}),))
    record(here, store)
    record(there, store, labels=("other",))
    with pytest.raises(InputError, match=r"'other'.*differ in the protocol of fgd .*paired.*--mix-protocols"):
        build_table([here, there], store)
    table = build_table([here, there], store, mix_protocols=True)
    marked = {(line.label, key) for line in table.lines for key, e in line.entries.items() if e.foreign}
    assert marked == {("other", "fgd")}
    assert "†" in render(table, "markdown")


def test_rows_of_one_name_in_two_protocols_are_told_apart(store):
    here, there = plan(seeds=range(4)), plan(seeds=range(4), protocol="beat2")
    for one in (here, there):
        record(one, store, n=8)
    lines = build_table([here, there], store, mix_protocols=True).lines
    alone = {line.label: line.entries["fgd"].mark for line in build_table([here], store).lines}
    for label in alone:
        first, second = (line.entries["fgd"] for line in lines if line.label == label)
        assert (first.foreign, second.foreign) == (False, True)
        assert (first.mark, second.mark) == (alone[label], None)


def test_data_and_sample_counts_do_not_mix(store):
    here = plan()
    record(here, store)
    other = plan(StandinSource("tiny", seed=1))
    with pytest.raises(InputError, match="differ in the data"):
        build_table([here, other], store)
    record(here, store, labels=("bad",), n=3)
    with pytest.raises(InputError, match=r"differ in the sample count of \w+ \(3 against 4\)"):
        build_table([here], store)


def rewrite(step, store: RunStore, name: str, changes: dict) -> None:
    path = step.folder(store.runs) / name
    write_json(path, read_json(path) | changes)


def test_other_clips_do_not_mix_though_they_are_as_many(store):
    p = plan()
    record(p, store)
    whole = {"clips": 4, "clips_hash": "a", "partial": False}
    for cell in p.cells:
        part = {"clips_hash": "b", "partial": True} if cell.row.label == "bad" else {}
        for step in cell.evaluate.values():
            rewrite(step, store, "record.json", {"bound": whole | part})
    with pytest.raises(
        InputError, match=r"'bad' and .* differ in the clips scored of fgd \(clips_hash b, partial True"
    ):
        build_table([p], store)
    marked = {line.label for line in build_table([p], store, mix_protocols=True).lines if line.entries["fgd"].foreign}
    assert marked == {"bad"}


def test_seeds_that_scored_other_clips_are_no_row(store):
    p = plan()
    record(p, store)
    for cell in p.cells:
        for step in cell.evaluate.values():
            rewrite(step, store, "record.json", {"bound": {"clips_hash": str(cell.seed)}})
    with pytest.raises(InputError, match="differ in the clips scored"):
        build_table([p], store)


def test_the_windows_of_a_clip_are_one_draw(store):
    """An interval from windows as if they were independent would be too narrow."""
    p = plan(seeds=(0,))
    record(p, store)
    windows = {
        f"clip{i}/{k}": {"l1div": float(i), "l1div_n": 1 + k, "frames": 300} for i in range(4) for k in range(50)
    }
    clips = {f"clip{i}": {"l1div": float(i), "frames": 300} for i in range(4)}
    limits = []
    for per_unit in (windows, clips):
        write_json(p.cells_of("good")[0].evaluate["l1div"].folder(store.runs) / "per_clip.json", per_unit)
        number = next(line for line in build_table([p], store).lines if line.label == "good").entries["l1div"].number
        limits.append((number.low, number.high))
    assert limits[0] == pytest.approx(limits[1])


def test_csv_reads_back(store):
    p = plan()
    record(p, store)
    table = build_table([p], store)
    rows = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert len(rows) == len(table.lines) * 2
    found = next(r for r in rows if r["row"] == "good" and r["column"] == "fgd")
    assert float(found["mean"]) == table.lines[1].entries["fgd"].number.mean
    assert found["query"] == "annotation"


def test_latex_is_balanced_and_escaped(store):
    p = plan()
    record(p, store)
    text = render(build_table([p], store), "latex")
    assert r"Truth \& more\_50\%" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 3
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert not re.search(r"(?<!\\)[%#_]", text)
    columns = text.split(r"\begin{tabular}{")[1].split("}")[0]
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert all(len(re.findall(r"(?<!\\)&", row)) == len(columns) - 1 for row in rows)


def test_latex_specials():
    assert latex_escaped(r"a\b{c}~^$#") == r"a\textbackslash{}b\{c\}\textasciitilde{}\textasciicircum{}\$\#"


def test_markdown_rows_are_aligned(store):
    p = plan(rows=(*ROWS[:3], ROWS[3].model_copy(update={"label": "a|b"})))
    record(p, store)
    rows = [line for line in render(build_table([p], store), "markdown").splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


def test_unknown_format(store):
    with pytest.raises(InputError, match=r"unknown format 'latx'.*did you mean 'latex'"):
        render(build_table([plan()], store), "latx")


def test_a_narrow_terminal_shows_every_word_and_number(store):
    p = plan()
    record(p, store)
    table = build_table([p], store)
    narrow = to_terminal(table, width=60)
    assert max(map(len, narrow.split("Protocol")[0].splitlines())) <= 60
    for line in table.lines:
        assert f"{line.label} (" in narrow
        assert f"{line.entries['fgd'].number.mean:.3g}"[:3] in narrow
    assert "…" not in narrow


def test_rows_that_share_a_note_are_named_together(store):
    p = plan(rows=[row.model_copy(update={"note": "n" if row.label in ("good", "bad") else ""}) for row in ROWS])
    assert [remark for remark in build_table([p], store).remarks if remark.endswith(": n.")] == ["good, bad: n."]


@pytest.mark.parametrize("width", [34, 45, 60, 75, 90, 120, 150, None])
def test_no_terminal_cuts_a_label_or_a_number(store, width):
    name = "a row whose name is rather long, and a-word-of-it-as-well-as-can-be"
    p = plan(rows=[*ROWS, Row(label=name, method="random_clip")])
    record(p, store)
    sheet = sheet_of(build_table([p], store))
    text = to_terminal(sheet, width)
    drawn = text.split("\nProtocol ")[0].splitlines()
    assert max(map(len, drawn)) <= (width or 10_000)
    words = " ".join(drawn).split()
    for _, rows in sheet.sections:
        for word in (word for row in rows for place in row for word in place.text.split()):
            assert any(word in found for found in words) or word.startswith("a-word"), (word, text)
    assert "…" not in text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0.3"])
def test_what_is_no_finite_number_is_told_and_marks_nothing(store, value):
    p = plan(seeds=range(4))
    record(p, store, n=8)
    (rival,) = {line.entries["fgd"].mark for line in build_table([p], store).lines if line.label == "good"}
    for cell in p.cells_of("bad"):
        path = cell.evaluate["fgd"].folder(store.runs) / "record.json"
        write_json(path, {**read_json(path), "metrics": {"fgd": value, "n": 8}})
    table = build_table([p], store)
    marks = {line.label: line.entries["fgd"].mark for line in table.lines}
    assert rival == "best"
    assert marks["bad"] is None
    assert "bad" not in {line.label for line in table.lines if line.entries["fgd"].number}
    assert any(remark.startswith(f"bad: fgd is {value!r}, no finite number") for remark in table.remarks)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"clips": None}, "clips is None; expected a whole number"),
        ({"metrics": {"fgd": 1.0}}, "n is None; expected a whole number"),
        ({"key": "0" * 24}, "key is '0{24}'; expected "),
    ],
)
def test_a_record_without_what_a_table_needs_is_named(store, changes, what):
    p = plan()
    record(p, store)
    path = p.cells_of("bad")[0].evaluate["fgd"].folder(store.runs) / "record.json"
    write_json(path, {**read_json(path), **changes})
    with pytest.raises(InputError, match=f"{path}: not a whole run record, {what}.*delete {path.parent}"):
        build_table([p], store)


def test_what_is_not_there_yet_is_counted(store):
    p = plan()
    assert any("8 of 8 numbers are not there yet" in remark for remark in build_table([p], store).remarks)
    record(p, store)
    assert not any("not there yet" in remark for remark in build_table([p], store).remarks)
