"""A sheet as a LaTeX table with `booktabs`."""

import unicodedata
from collections.abc import Iterator
from itertools import groupby

from gesturebench.evaluators.base import Direction
from gesturebench.results.sheet import Head, Sheet, Words

_ARROWS: dict[Direction, str] = {
    "lower": r"$\downarrow$",
    "higher": r"$\uparrow$",
    "closer to ground truth": r"$\approx$GT",
}
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "±": r"$\pm$", "†": r"$^\dagger$", "×": r"$\times$", "≈": r"$\approx$", "≤": r"$\leq$", "≥": r"$\geq$",
    "→": r"$\rightarrow$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "–": "--", "—": "---", "…": r"\dots{}",
    "λ": r"$\lambda$", "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "σ": r"$\sigma$", "√": r"$\surd$",
    "²": r"$^2$", "³": r"$^3$", "’": "'", "“": "``", "”": "''", "°": r"$^\circ$",
}  # fmt: skip
_MARKS = {"best": r"\textbf{{{}}}", "second": r"\underline{{{}}}", None: "{}"}


def latex_escaped(text: str) -> str:
    r"""Text that pdfLaTeX prints as it is; letters it does not know without their accents, other signs as `?`.

    >>> latex_escaped("50 % of a_b & c")
    '50 \\% of a\\_b \\& c'
    """
    return "".join(_SPECIAL.get(character) or _plain(character) for character in text)


def _plain(character: str) -> str:
    if ord(character) < 256:  # Latin-1 is known to every LaTeX of the last decade
        return character
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode() or "?"


def to_latex(sheet: Sheet) -> str:
    """A tabular in a table environment; needs only `booktabs`."""
    width = len(sheet.heads)
    words = min(sheet.fixed, 2)
    lines = [
        r"\begin{table}", r"\centering", rf"\caption{{{latex_escaped(sheet.caption)}}}",
        rf"\begin{{tabular}}{{{'l' * words}{'r' * (width - words)}}}", r"\toprule",
    ]  # fmt: skip
    lines += _head(sheet.heads)
    for title, rows in sheet.sections:
        lines.append(r"\midrule")
        if title:
            lines.append(rf"\multicolumn{{{width}}}{{l}}{{\emph{{{latex_escaped(title)}}}}} \\")
        lines += [_row([_words(words) for words in row]) for row in rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    if sheet.remarks:
        lines += [r"\par\smallskip", r"\begin{minipage}{\linewidth}\footnotesize"]
        lines += [latex_escaped(remark) + r"\par" for remark in sheet.remarks]
        lines += [r"\end{minipage}"]
    return "\n".join([*lines, r"\end{table}", ""])


def _row(texts: list[str]) -> str:
    return " & ".join(texts) + r" \\"


def _words(words: Words) -> str:
    return _MARKS[words.mark].format(latex_escaped(words.text))


def _head(heads: tuple[Head, ...]) -> Iterator[str]:
    """One line of headings, or two where some share one above theirs; arrows stand in the upper."""
    if not any(head.over for head in heads):
        yield _row([_titled(head.text, head.direction) for head in heads])
        return
    above, rules, start = [], [], 1
    for over, shared in groupby(heads, key=lambda head: (head.over, head.direction) if head.over else None):
        span = len(list(shared))
        if over is None:
            above += [""] * span
        else:
            above.append(rf"\multicolumn{{{span}}}{{c}}{{{_titled(*over)}}}")
            rules.append(rf"\cmidrule(lr){{{start}-{start + span - 1}}}")
        start += span
    yield _row(above)
    yield " ".join(rules)
    yield _row([latex_escaped(head.text) if head.over else _titled(head.text, head.direction) for head in heads])


def _titled(text: str, direction: Direction | None) -> str:
    return latex_escaped(text) + (f" {_ARROWS[direction]}" if direction else "")
