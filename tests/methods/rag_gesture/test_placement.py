"""Placements stay inside both windows, keep their order and never overlap, whatever was found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.corpus.windows import Window
from gesturebench.methods.rag_gesture.placement import Grid, place
from gesturebench.methods.rag_gesture.strategies import Hit

WINDOW = Window("clip", 0, 120)
GRID = Grid(frames=60, fps=15, chunk=5)


def span(limit: float):
    return st.tuples(st.floats(0, limit), st.floats(0, limit)).map(lambda pair: tuple(sorted(pair)))


@given(st.lists(st.tuples(span(4.0), span(4.0)), max_size=6), st.floats(0, 1), st.floats(0, 1))
def test_placements_are_inside_in_order_and_apart(spans, before, after):
    hits = [Hit(WINDOW, source, query, "", 0.0) for source, query in sorted(spans, key=lambda pair: pair[1])]
    last = 0
    for p in place(hits, GRID, before, after):
        length = p.target[1] - p.target[0]
        assert length == p.source[1] - p.source[0] > 0
        assert 0 <= p.source[0] < p.source[1] <= GRID.slots
        assert last <= p.target[0] < p.target[1] <= GRID.slots
        last = p.target[1]


def test_a_hit_lands_around_the_asked_moment():
    (p,) = place([Hit(WINDOW, (1.0, 1.4), (2.4, 2.6), "", 0.0)], GRID, 0.0, 0.0)
    assert p.source == (3, 5)  # frames 15 to 21
    assert p.target == (7, 9)  # frame 37 lies in slot 7


@pytest.mark.parametrize(("source", "query"), [((1.0, 1.0), (2.0, 2.2)), ((1.0, 1.5), (2.2, 2.0))])
def test_nothing_is_placed_for_an_empty_span_or_a_reversed_moment(source, query):
    assert place([Hit(WINDOW, source, query, "", 0.0)], GRID, 0.0, 0.0) == []
