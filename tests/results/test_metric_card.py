import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.errors import InputError
from gesturebench.evaluators.interventions import ANOTHER_CLIP, GROUND_TRUTH, Pool, interventions
from gesturebench.evaluators.registry import get_evaluator
from gesturebench.results.card_picture import draw_card
from gesturebench.results.card_text import Setting, as_json, markdown, summary
from gesturebench.results.examination import blank, examine, merged
from gesturebench.results.metric_card import balanced, half_spreads, in_spreads, make_card, value_of, verdict_of
from gesturebench.results.metric_reference import BEGIN, END, reference, with_reference
from tests.evaluators.conftest import TinyStore

SETTINGS = {"bc": {"mask": 15}, "l1div": {}, "stress_beats": {}, "mpjpe": {}, "plausibility": {}, "multimodality": {}}
SETTING = Setting("standin:toy", True, "standin (abc)", {"seed": 0})


@pytest.fixture(scope="module")
def toy():
    """Evaluators on the toy corpus, the pool of its clips in both halves, and what the examination found."""
    store = TinyStore()
    evaluators = {name: get_evaluator(name)(get_evaluator(name).Config(**own), store) for name, own in SETTINGS.items()}
    clips = tuple(store.clip(clip_id) for clip_id in store.ids)
    pool = Pool(clips[3:9], {clip.id: n % 2 for n, clip in enumerate(clips)})
    further = [clip for clip in clips if clip not in pool.clips]
    calls = []
    exam = examine(evaluators, pool, iter(further), len(further), lambda done, total: calls.append((done, total)))
    return evaluators, pool, exam, calls


@pytest.fixture(scope="module")
def cards(toy):
    evaluators, pool, exam, _ = toy
    return {name: make_card(name, evaluators[name], found, len(pool.clips)) for name, found in exam.evidence.items()}


def readings(card, key):
    column = next(column for column in card.columns if column.column.key == key)
    return {reading.act.name: reading for reading in column.readings}


def test_values_are_those_of_the_plain_evaluator(toy, cards):
    evaluators, pool, _, _ = toy
    for act in interventions(pool):
        evaluator = blank(evaluators["l1div"])
        for clip in pool.clips:
            evaluator.update(*act.act(clip, pool))
        assert readings(cards["l1div"], "l1div")[act.name].value == pytest.approx(
            evaluator.compute()["l1div"], rel=1e-9
        )


def test_progress_counts_every_pair(toy):
    _, pool, _, calls = toy
    total = len(list(interventions(pool))) * len(pool.clips) + 6
    assert calls == [(done, total) for done in range(1, total + 1)]


def test_what_is_known_of_metrics_is_found_again(cards):
    """No dispersion without motion, none lost in a mirror; copies have no error; only stress beats hear the words."""
    spread = readings(cards["l1div"], "l1div")
    assert spread["frozen"].value == pytest.approx(0, abs=1e-9)
    assert spread["amplitude 0.5 x"].value < spread["amplitude 0.7 x"].value < spread["ground truth"].value
    assert spread["reversed"].change == pytest.approx(0, abs=1e-6)
    assert {spread[f"speech shifted {shift:+} ms"].change for shift in (-250, 70, 250)} == {0.0}
    error = readings(cards["mpjpe"], "mpjpe")
    assert error["ground truth"].value == error["speech shifted +250 ms"].value == 0
    assert error["noise 0.02 rad"].value < error["noise 0.1 rad"].value < error["noise 0.3 rad"].value
    beats = readings(cards["stress_beats"], "stress_beats")
    assert beats["speech shifted +70 ms"].value != beats["ground truth"].value


def test_metrics_that_forgive_copies_everything_take_the_spread_of_other_clips(cards):
    for name, expected in (("mpjpe", ANOTHER_CLIP), ("l1div", GROUND_TRUTH)):
        assert {column.spread_of for column in cards[name].columns} == {expected}
        assert all(column.spread > 0 for column in cards[name].columns)


def test_a_metric_without_a_value_on_the_ground_truth_says_why(toy):
    _, _, exam, _ = toy
    assert "multimodality" not in exam.evidence
    assert "multimodality: clip 1_wayne_0_4_4 has 1 samples" in exam.failed["multimodality"]


def test_spread_over_halves_estimates_the_standard_error_of_a_mean(toy):
    """L1div of clips of one length is a plain mean over clips."""
    _, _, exam, _ = toy
    shards = exam.evidence["l1div"].truth
    values = np.array([shard.compute()["l1div"] for shard in shards])
    spread = half_spreads(shards, exam.evidence["l1div"].halves, 0)["l1div"]
    assert spread == pytest.approx(values.std(ddof=1) / np.sqrt(len(values)), rel=0.35)


def test_larger_samples_vary_less_and_end_with_all_clips(toy, cards):
    sizes = cards["l1div"].columns[0].sizes
    assert [size.clips for size in sizes] == [1, 2, 4, 8, 12]
    assert [size.frames for size in sizes] == [240 * size.clips for size in sizes]
    assert sizes[0].spread > sizes[3].spread > 0 == sizes[-1].spread
    whole = merged(toy[2].evidence["l1div"].truth, range(12)).compute()["l1div"]
    assert sizes[-1].mean == pytest.approx(whole)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=30), st.integers(0, 5))
def test_draws_are_distinct_and_balanced(halves, seed):
    for k in range(1, len(halves) + 1):
        drawn = balanced(halves, k, np.random.default_rng(seed))
        assert len(set(drawn)) == k
        ones = sum(halves[i] for i in drawn)
        least = min(halves.count(0), halves.count(1), k // 2)
        assert ones >= least
        assert k - ones >= least


@pytest.mark.parametrize(
    ("change", "direction", "verdict"),
    [
        (1.9, "lower", "blind"),
        (2.0, "lower", "sees"),
        (-2.0, "lower", "prefers"),
        (2.0, "higher", "prefers"),
        (-np.inf, "higher", "sees"),
        (2.0, "closer to ground truth", "sees"),
        (-2.0, "closer to ground truth", "sees"),
        (0.0, "closer to ground truth", "blind"),
    ],
)
def test_verdicts(change, direction, verdict):
    assert verdict_of(change, direction) == verdict


def test_changes_without_spread():
    assert in_spreads(0.0, 0.0) == 0.0
    assert in_spreads(-1.0, 0.0) == -np.inf
    assert in_spreads(1.0, 0.5) == 2.0


def test_missing_values_have_no_verdict(toy):
    column = get_evaluator("l1div").columns[0]
    assert value_of(None, column) is None
    assert value_of({"l1div": None}, column) is None
    assert value_of({"l1div": float("nan")}, column) is None


def test_page_json_and_picture_tell_the_same(cards):
    card = cards["stress_beats"]
    page, data = markdown(card, SETTING), json.loads(json.dumps(as_json(card, SETTING)))
    assert "stand-in corpus, not BEAT2" in page
    assert data["is_standin"] is True
    for column, stored in zip(card.columns, data["columns"]):
        assert stored["formula"] in page
        for reading, row in zip(column.readings, stored["readings"]):
            assert row["verdict"] == reading.verdict
            assert f"| {reading.act.name} | {reading.value:.3f} |" in page
        told = " ".join(summary(column))
        assert all(act.family in told for verdict in ("sees", "blind") for act in column.with_verdict(verdict))
    png = draw_card(card, SETTING)
    assert png.startswith(b"\x89PNG")


def test_the_picture_reads_in_grey(cards):
    """Seen and unseen differ in lightness, not in hue alone: the page turned grey keeps dark and white marks."""
    from matplotlib.image import imread

    image = imread(io.BytesIO(draw_card(cards["l1div"], SETTING)))[..., :3]
    grey = image @ (0.299, 0.587, 0.114)
    assert (grey < 0.45).sum() > 500
    assert image.shape[1] > image.shape[0] / 2


def test_reference_names_every_metric_and_is_put_between_its_marks():
    page = with_reference(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert "old" not in page
    assert reference() in page
    assert with_reference(page) == page
    with pytest.raises(InputError, match="no place for the reference"):
        with_reference("nothing")


def test_too_few_clips_are_not_judged():
    store = TinyStore()
    evaluator = get_evaluator("l1div")(get_evaluator("l1div").Config(), store)
    pool = Pool(tuple(store.clip(clip_id) for clip_id in store.ids[:2]), {})
    card = make_card("l1div", evaluator, examine({"l1div": evaluator}, pool).evidence["l1div"], 2)
    column = card.columns[0]
    assert column.spread is None
    assert {reading.verdict for reading in column.readings} == {"unjudged"}
    assert column.truth > 0
    assert "too few clips" in markdown(card, SETTING)
    assert draw_card(card, SETTING)


def test_single_draws_come_from_both_halves():
    drawn = {balanced([0, 1, 1], 1, np.random.default_rng(seed))[0] for seed in range(30)}
    assert drawn == {0, 1, 2}
