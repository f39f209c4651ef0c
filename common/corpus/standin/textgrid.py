"""TextGrids in Praat's long text format, as the forced aligner of BEAT2 writes them."""

from collections.abc import Sequence

from gesturebench.common.corpus.standin.scene import Scene

DECIMALS = 4
"""Of every time: a last interval rounded past its tier's end is an error to some readers."""

Mark = tuple[float, float, str]


def text_grid(scene: Scene) -> str:
    """Tiers "words" (lower case) and "phones" (ARPAbet); silence is the empty mark."""
    words, tokens = scene.reading.words, scene.script.tokens
    tiers = {
        "words": [(w.start_s, w.end_s, tokens[w.index].surface.lower()) for w in words],
        "phones": [(p.start_s, p.end_s, p.label) for w in words for p in w.phones],
    }
    head = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {_text(scene.duration_s)}",
    ]
    lines = [*head, "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, marks) in enumerate(tiers.items(), start=1):
        lines += _tier(number, name, marks, scene.duration_s)
    return "\n".join(lines) + "\n"


def _tier(number: int, name: str, marks: Sequence[Mark], duration_s: float) -> list[str]:
    intervals = _covering(marks, duration_s)
    lines = [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"', "        xmin = 0"]
    lines += [f"        xmax = {_text(duration_s)}", f"        intervals: size = {len(intervals)}"]
    for i, (start, end, text) in enumerate(intervals, start=1):
        lines += [f"        intervals [{i}]:", f"            xmin = {start}", f"            xmax = {end}"]
        lines.append(f'            text = "{text}"')
    return lines


def _covering(marks: Sequence[Mark], duration_s: float) -> list[tuple[str, str, str]]:
    """Intervals without gaps or overlaps over the whole clip, times as text; the marks are in order."""
    intervals, here, last = [], _text(0.0), _text(duration_s)
    for start_s, end_s, text in marks:
        start, end = _text(start_s), min(_text(end_s), last, key=float)
        if float(start) > float(here):
            intervals.append((here, start, ""))
        intervals.append((start, end, text))
        here = end
    return [*intervals, (here, last, "")] if float(last) > float(here) else intervals


def _text(seconds: float) -> str:
    return f"{seconds:.{DECIMALS}f}"
