"""The verbs of `gesturebench metrics`, and the page that documents the metrics."""

from pathlib import Path

import pytest

from gesturebench.evaluators.registry import (
    embedding_metric_names,
    evaluator_names,
    get_embedding_metric,
    get_evaluator,
)
from gesturebench.metrics import CardRequest, draw_clips, renew_reference, show_metric
from gesturebench.results.metric_reference import with_reference

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_names_every_metric_and_every_column():
    page = PAGE.read_text(encoding="utf-8")
    metrics = [get_evaluator(name) for name in evaluator_names()]
    metrics += [get_embedding_metric(name) for name in embedding_metric_names()]
    for metric in metrics:
        assert f"### `{metric.name}`" in page
        for column in metric.columns:
            assert f"(`{column.key}`)" in page, "renew it: gesturebench metrics reference --page docs/metrics.md"


def test_the_page_says_what_the_columns_declare():
    page = PAGE.read_text(encoding="utf-8")
    assert with_reference(page) == page, "renew it: gesturebench metrics reference --page docs/metrics.md"


def test_every_column_declares_what_a_reader_needs():
    for name in evaluator_names():
        for column in get_evaluator(name).columns:
            assert column.unit, column.key
            assert column.formula, column.key
            assert column.source, column.key


@pytest.mark.parametrize("name", [*evaluator_names(), *embedding_metric_names()])
def test_show_tells_all_of_a_metric(name, capsys):
    show_metric(name)
    told = capsys.readouterr().out
    metric = get_evaluator(name) if name in evaluator_names() else get_embedding_metric(name)
    for column in metric.columns:
        assert f"({column.key})" in told
        assert column.formula in told


def test_reference_renews_a_page_in_place(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("head\n<!-- begin: gesturebench metrics reference -->\n<!-- end -->\ntail\n")
    renew_reference(page)
    assert "### `fgd`" in page.read_text()
    renew_reference(None)
    assert "### `fgd`" in capsys.readouterr().out


def test_clips_are_drawn_by_the_seed_from_the_splits_and_the_rest_widens_the_sample():
    from gesturebench.common.corpus.protocol import get_protocol
    from tests.evaluators.conftest import TinyStore

    store = TinyStore()
    store.path = Path("toy")
    protocol = get_protocol("standin")

    def drawn(**request):
        pool, further = draw_clips(store, protocol, CardRequest(**request))
        return [clip.id for clip in pool.clips], [unit.clip_id for unit in further]

    ids, further = drawn(clips=4)
    assert set(ids) <= {*store.split("val"), *store.split("test")}
    assert len(ids) == 4
    assert set(ids) | set(further) == set(store.ids)
    assert not set(ids) & set(further)
    assert drawn(clips=4) == (ids, further)
    assert any(drawn(clips=4, seed=seed)[0] != ids for seed in (1, 2))
    assert set(drawn(clips=99, splits=("all",))[0]) == set(store.ids)
