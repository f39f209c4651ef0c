"""Printed forms: the same words in each, LaTeX that a compiler takes, HTML that needs nothing else."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gesturebench.benchmarks.state import RunStore
from gesturebench.results.render import render
from gesturebench.results.sheet import Head, Sheet, Words
from gesturebench.results.specs import load_spec, table_names
from gesturebench.tabling import reproduced

SHEET = Sheet(
    title="50 % of a_b & c [d]",
    setting="N = 2.",
    heads=(
        Head(""), Head("Query"), Head("FGD", "lower"), Head("published", "higher", "BC"), Head("ours", "higher", "BC"),
    ),
    fixed=2,
    sections=(
        ("", ((Words("a|b*"), Words("none"), Words("1.0 ±0.1", "best"), Words("7.7"), Words("2 †", "second")),)),
        ("Of our own λ", ((Words("<b>"), Words("#1"), Words("-"), Words("~^$"), Words("not available")),)),
    ),
    remarks=("Müller, Śmith: 1.96 s / √20 ≥ 0 → “x”",),
    records=(("a",), ("b",)),
)  # fmt: skip
COMPILERS = ("tectonic", "pdflatex")


def latex_tables() -> dict[str, Sheet]:
    store = RunStore(Path("nowhere"))
    return {"everything": SHEET} | {name: reproduced(load_spec(name), {}, store) for name in table_names()}


class Cells(HTMLParser):
    """Texts of all cells, row by row."""

    def __init__(self):
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str] = []
        self.inside = True

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        self.links += [value for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "table"

    def handle_data(self, data):
        if self.inside and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def test_marks_in_every_form():
    assert "**1.0 ±0.1** | 7.7 | <u>2 †</u> |" in render(SHEET, "markdown")
    assert r"\textbf{1.0 $\pm$0.1} & 7.7 & \underline{2 $^\dagger$} \\" in render(SHEET, "latex")
    assert "<strong>1.0 ±0.1</strong>" in render(SHEET, "html")
    assert "<u>2 †</u>" in render(SHEET, "html")


def test_html_is_one_page_with_every_word():
    page = Cells()
    page.feed(render(SHEET, "html"))
    assert page.links == []
    assert page.rows[1] == ["a|b*", "none", "1.0 ±0.1", "7.7", "2 †"]
    assert page.rows[3] == ["<b>", "#1", "-", "~^$", "not available"]
    assert "http" not in render(SHEET, "html")


def test_markdown_keeps_signs_and_columns():
    rows = [line for line in render(SHEET, "markdown").splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert r"a\|b\*" in rows[2]


def test_the_terminal_takes_brackets_for_brackets():
    assert "[d]" in render(SHEET, "terminal")


@pytest.mark.parametrize("name", latex_tables())
def test_latex_is_a_table_of_its_width(name):
    text = render(latex_tables()[name], "latex")
    assert all(ord(character) < 256 for character in text), "pdfLaTeX knows no other letters"
    opened = re.findall(r"\\(begin|end)\{(\w+)\}", text)
    nest = []
    for what, environment in opened:
        nest.append(environment) if what == "begin" else nest.remove(environment)
    assert not nest
    plain = re.sub(r"\\[\\{}&%$#_]", "", text)
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    assert not re.search(r"[#_%~^](?!\\dagger|[23\\])", plain.replace(r"^\circ", ""))
    columns = len(re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)[1])
    for row in (line for line in text.splitlines() if line.endswith(r"\\")):
        spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", row)]
        assert len(re.findall(r"(?<!\\)&", row)) + 1 + sum(spans) - len(spans) == columns


def test_latex_compiles(tmp_path):
    compiler = next(filter(shutil.which, COMPILERS), None)
    if compiler is None:
        pytest.skip(f"none of {', '.join(COMPILERS)} is installed")
    body = "\n".join(render(sheet, "latex") for sheet in latex_tables().values())
    page = r"\documentclass{article}\usepackage[margin=1cm,paperwidth=60cm]{geometry}\usepackage{booktabs}"
    (tmp_path / "page.tex").write_text(f"{page}\n\\begin{{document}}\n{body}\n\\end{{document}}\n", encoding="utf-8")
    words = [compiler, "page.tex"] if compiler == "tectonic" else [compiler, "-halt-on-error", "page.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=300)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "page.pdf").stat().st_size > 0
