"""Quick grids: the text says what the YAML would, and a fault shows its place."""

import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.benchmarks.grid import Row
from gesturebench.benchmarks.quick import is_quick, quick_grid, quick_rows, scalar
from gesturebench.common.errors import InputError

names = st.from_regex(r"[a-z_][a-z_.]{0,6}", fullmatch=True)
words = st.text(string.ascii_letters + "_-", min_size=1, max_size=5).filter(lambda w: scalar(w) == w)
numbers = st.integers(-99, 99) | st.floats(-9, 9).map(lambda x: round(x, 3))
values = words | numbers | st.booleans() | st.none()
gaps = st.sampled_from(["", " ", "  "])


def told(value) -> str:
    return (
        f"[{','.join(map(told, value))}]"
        if isinstance(value, list)
        else value
        if isinstance(value, str)
        else json.dumps(value)
    )


@st.composite
def rows(draw) -> tuple[str, tuple[Row, ...]]:
    """A text, and the rows that it declares."""
    parts, found = [], []
    for _ in range(draw(st.integers(1, 3))):
        method, row_axes, axis_texts = draw(names), [], []
        for _ in range(draw(st.integers(0, 2))):
            keys = draw(st.lists(names, min_size=1, max_size=3, unique=True))
            steps = draw(
                st.lists(
                    st.tuples(*[values | st.lists(values, min_size=1, max_size=2)] * len(keys)), min_size=1, max_size=3
                )
            )
            row_axes.append({key: [step[i] for step in steps] for i, key in enumerate(keys)})
            gap = draw(gaps)
            tuples = (f",{gap}".join(map(told, step)) for step in steps)
            axis_texts.append(
                f"{','.join(keys)}{gap}={gap}" + f",{gap}".join(t if len(keys) == 1 else f"({t})" for t in tuples)
            )
        gap = draw(gaps)
        parts.append(method + (f"{gap}[{gap}{f'{gap};{gap}'.join(axis_texts)}{gap}]" if axis_texts else ""))
        found.append((method, tuple(row_axes)))
    return f"{draw(gaps)}+{draw(gaps)}".join(parts), tuple(found)


@settings(max_examples=60, deadline=None)
@given(rows())
def test_a_text_says_what_it_was_made_from(made):
    text, expected = made
    assert [(row.method, row.axes) for row in quick_rows(text)] == list(expected)


def test_the_grid_of_the_documentation():
    grid = quick_grid(
        "rag_gesture[retrieval=none,discourse; guidance.mode,guidance.lr=(none,0.1),(paper,0.05)]", "d", "p", "demo"
    )
    assert [row.label for row in grid.rows] == [
        "rag_gesture, retrieval=none, guidance.mode=none, guidance.lr=0.1",
        "rag_gesture, retrieval=none, guidance.mode=paper, guidance.lr=0.05",
        "rag_gesture, retrieval=discourse, guidance.mode=none, guidance.lr=0.1",
        "rag_gesture, retrieval=discourse, guidance.mode=paper, guidance.lr=0.05",
    ]


def test_quoted_values_keep_their_marks():
    assert quick_rows("""a[x="b, c; d]",'3']""")[0].axes == ({"x": ["b, c; d]", "3"]},)


def test_anchors_stand_apart():
    assert [row.group for row in quick_rows("ground_truth + a")] == ["anchor", "method"]


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("", 0, "the name of a method"),
        ("a[", 2, "the name of a setting"),
        ("a[]", 2, "the name of a setting"),
        ("a[x]", 3, "'='"),
        ("a[x=", 4, "a value"),
        ("a[x=]", 4, "a value"),
        ("a[x=1,]", 6, "a value"),
        ("a[x=1", 5, "',' and another value, ';' and another axis, or ']'"),
        ("a[x=1;]", 6, "the name of a setting"),
        ("a[x=1]]", 6, r"the end or '\+'"),
        ("a[x==1]", 4, "a value"),
        ("a[x=(1,2)]", 4, "a value"),
        ("a[x,y=1,2]", 6, r"'\(' and 2 values"),
        ("a[x,y=(1,2),(3)]", 12, "2 values, one for each key"),
        ("a[x,y=(1,2]", 10, r"'\)'"),
        ("a[x=[1,2]", 9, "',' and another value, ';' and another axis, or ']'"),
        ("a +", 3, "the name of a method"),
        ("a b", 2, r"the end, '\+' and another method, or '\['"),
        ('a\n[x="]', 5, "a value"),
        ("a]", 1, r"the end, '\+' and another method, or '\['"),
        ("a[x=" + "[" * 3000, 25, "at most 20 lists in one another"),
    ],
)
def test_a_fault_has_a_caret_under_its_place(text, place, expected):
    with pytest.raises(InputError, match=f"character {place + 1}: .*expected {expected}") as error:
        quick_rows(text)
    *_, shown, caret = str(error.value).split("\n")
    assert shown == "  " + text.replace("\n", " ")
    assert caret == "  " + " " * place + "^"


def test_the_same_row_twice_is_refused():
    with pytest.raises(InputError, match="two rows are labelled 'a'"):
        quick_grid("a + a", "d", "p", "demo")


def test_what_is_taken_for_a_quick_grid():
    assert is_quick("a[x=1]")
    assert not is_quick("demo")
    assert not is_quick("ablations[1].yaml")
