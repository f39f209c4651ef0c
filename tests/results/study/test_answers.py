"""From files of answers to a table: what counts, what is refused and named, and numbers that can be counted by hand."""

import json
from pathlib import Path

import pytest

from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from gesturebench.results.render import render
from gesturebench.results.study import Key, analyse, collect_answers, study_sheet
from gesturebench.results.study.answers import ANSWERS_FORMAT
from gesturebench.results.study.design import Trial, Wish, pair_of
from gesturebench.results.study.page import page_data, script_json

FIRST, SECOND, THIRD = "New", "Base, no guidance", "<b>Truth</b>"
PAIRS = (FIRST, SECOND), (THIRD, FIRST)
QUESTIONS = "liveness", "beats"


def made_key() -> Key:
    """Two pairs with three clips each, and a check in which the second of the first pair asks to be chosen."""
    trials = [
        Trial(f"t{i}{j}", pair, f"clip{j}", 0.0, 5.0, {label: f"v{label[0]}{j}" for label in pair})
        for i, pair in enumerate(PAIRS)
        for j in range(3)
    ]
    check = Trial("t9", PAIRS[0], "clip0", 0.0, 5.0, {FIRST: "vN0", SECOND: "marked"}, "marked")
    return Key.of(
        title="T", is_standin=True, seed=3, pairs=PAIRS, questions=QUESTIONS,
        steps=dict.fromkeys((FIRST, SECOND, THIRD), "k"), trials=(*trials, check),
    )  # fmt: skip


KEY = made_key()


def told(participant: str, chooses, attentive: bool = True) -> dict:
    """A file as the page saves it; `chooses(trial, question)` is the place in the pair of what is chosen."""
    answers = []
    for trial in KEY.trials:
        videos = [trial.videos[label] for label in trial.pair]
        choices = {q: videos[1 if trial.marked and attentive else chooses(trial, q)] for q in KEY.questions}
        answers.append({"trial": trial.id, "left": videos[0], "right": videos[1], "choices": choices})
    return {
        "format": ANSWERS_FORMAT,
        "study": KEY.study,
        "participant": participant,
        "answers": answers,
    }


def save(folder: Path, name: str, content) -> Path:
    write_json(folder / name, content)
    return folder / name


def test_shares_are_counted_for_the_first_of_the_pair(tmp_path):
    """Four raters prefer the first of every pair but in clip 2 of the first pair, for its beats."""
    chooses = lambda trial, question: int(trial.id == "t02" and question == "beats")  # noqa: E731
    files = [save(tmp_path, f"{i}.json", told(f"p{i}", chooses)) for i in range(4)]
    answers, left_out = collect_answers(files, KEY)
    found = analyse(KEY, answers)
    assert not left_out
    assert [(one.first, one.second, one.question, one.wins, one.n) for one in found.preferences] == [
        (FIRST, SECOND, "liveness", 12, 12), (FIRST, SECOND, "beats", 8, 12),
        (THIRD, FIRST, "liveness", 12, 12), (THIRD, FIRST, "beats", 12, 12),
    ]  # fmt: skip
    assert found.preferences[1].kappa == found.preferences[1].alpha == 1
    assert found.preferences[0].kappa is None
    assert found.preferences[0].p == pytest.approx(2 / 2**12)
    assert found.preferences[0].p_holm == pytest.approx(4 * 2 / 2**12)
    assert found.preferences[1].p_holm == found.preferences[1].p > 0.3


def test_who_fails_a_check_is_left_out_and_counted(tmp_path):
    files = [
        save(tmp_path, "a.json", told("a", lambda *_: 0)),
        save(tmp_path, "b.json", told("b", lambda *_: 0, attentive=False)),
    ]
    answers, _ = collect_answers(files, KEY)
    strict, lenient = analyse(KEY, answers), analyse(KEY, answers, allowed_failures=1)
    assert (strict.participants, strict.excluded) == (1, (("b", 1),))
    assert (lenient.participants, lenient.excluded) == (2, ())
    assert strict.preferences[0].n == 3
    assert lenient.preferences[0].n == 6
    assert "1 participant left out for failing of 1 attention check: b (1 failed)" in render(
        study_sheet(strict), "markdown"
    )
    with pytest.raises(InputError, match="no participant is left of 1"):
        analyse(KEY, answers[1:])


def test_one_wrong_question_fails_a_check(tmp_path):
    content = told("a", lambda *_: 0)
    check = next(answer for answer in content["answers"] if answer["trial"] == "t9")
    check["choices"]["beats"] = "vN0"
    (answers,), _ = collect_answers([save(tmp_path, "a.json", content)], KEY)
    assert answers.failed_checks(KEY) == 1


def changed(**values):
    return told("p", lambda *_: 0) | values


def answer(**values):
    content = told("p", lambda *_: 0)
    content["answers"][0] |= values
    return content


@pytest.mark.parametrize(("content", "why"), [
    ("{", "not valid JSON"),
    ([1], "not a file of answers"),
    ({"format": "something else"}, "not a file of answers"),
    (changed(study="0123"), "answers to study '0123'"),
    (changed(participant=""), "no participant"),
    (changed(answers=None), "no participant or no answers"),
    (changed(answers=[3]), "answer 3"),
    (changed(answers=told("p", lambda *_: 0)["answers"][:3]), "3 of 7 trials are answered"),
    (changed(answers=2 * told("p", lambda *_: 0)["answers"]), "answered twice"),
    (changed(answers=[*told("p", lambda *_: 0)["answers"], {"trial": "t77", "choices": {}}]), "trial 't77' is not of"),
    (answer(left="foreign"), "trial 't00' shows"),
    (answer(left=["v"]), "trial 't00' shows"),
    (answer(choices={"liveness": "vN0"}), "question 'beats': None"),
    (answer(choices={"liveness": "vN0", "beats": "vT1"}), "question 'beats': 'vT1'"),
    (answer(choices=[]), "a trial and its choices"),
])  # fmt: skip
def test_a_file_that_cannot_be_used_is_named_and_the_others_count(tmp_path, content, why):
    bad, good = tmp_path / "bad.json", save(tmp_path, "good.json", told("q", lambda *_: 0))
    bad.write_text(content if isinstance(content, str) else json.dumps(content))
    answers, (sentence,) = collect_answers([bad, good, tmp_path / "gone.json"][:2], KEY)
    assert [one.participant for one in answers] == ["q"]
    assert sentence.startswith(str(bad))
    assert why in sentence
    assert "\n" not in sentence


def test_a_participant_counts_once(tmp_path):
    files = [
        save(tmp_path, "1.json", told("p", lambda *_: 0)),
        save(tmp_path, "2.json", told("p", lambda *_: 0)),
        save(tmp_path, "3.json", told("p", lambda *_: 1)),
    ]
    answers, left_out = collect_answers(files, KEY)
    assert [one.file.name for one in answers] == ["1.json"]
    assert "2.json: participant 'p' gave the same answers in" in left_out[0]
    assert "3.json: participant 'p' gave other answers in" in left_out[1]


@pytest.mark.parametrize("format", ["terminal", "markdown", "csv", "latex", "html"])
def test_the_table_has_every_form(tmp_path, format):
    answers, _ = collect_answers([save(tmp_path, "a.json", told("a", lambda *_: 0))], KEY)
    text = render(study_sheet(analyse(KEY, answers)), format)
    assert "liveness" in text
    assert "<b>Truth" not in text or format != "html"
    if format != "csv":
        assert "3 of 3" in text
        assert "100.0 [29.2, 100.0]" in text
        assert "stand-in" in text


def test_a_key_is_read_back_and_another_file_is_not(tmp_path):
    KEY.save(tmp_path / "key.json")
    assert Key.load(tmp_path / "key.json") == KEY
    for content in ({"format": "x"}, {"format": "gesturebench study key 1"}, [1]):
        write_json(tmp_path / "other.json", content)
        with pytest.raises(InputError, match=r"other.json: not .*key"):
            Key.load(tmp_path / "other.json")
    with pytest.raises(InputError, match="no such file"):
        Key.load(tmp_path / "gone.json")


def test_the_page_does_not_say_whose_video_it_is():
    text = script_json(page_data(KEY, Wish(PAIRS)))
    assert "<" not in text
    for label in (FIRST, SECOND, "Truth", "clip"):
        assert label not in text
    for trial in json.loads(text)["trials"]:
        assert trial["videos"] == sorted(trial["videos"]), "not in the order of the pair"
        assert trial.keys() == {"id", "videos"}


@pytest.mark.parametrize(("text", "pair"), [
    ("New,Base, no guidance", (FIRST, SECOND)), ("Base, no guidance, New", (SECOND, FIRST)),
])  # fmt: skip
def test_labels_may_hold_commas(text, pair):
    assert pair_of(text, [FIRST, SECOND, THIRD]) == pair


@pytest.mark.parametrize(("text", "why"), [
    ("New,Nwe", "unknown row 'Nwe'; expected one of .*; did you mean 'New'"), ("New", "two rows with a comma"),
    ("New,New", "two different rows"), ("New,Base,guidance", "two rows with a comma"),
])  # fmt: skip
def test_a_pair_that_is_none_is_refused(text, why):
    with pytest.raises(InputError, match=why):
        pair_of(text, [FIRST, SECOND, THIRD])


@pytest.mark.parametrize(("changes", "why"), [
    ({"questions": ("beat",)}, "unknown question 'beat'; .* did you mean 'beats'"),
    ({"questions": ("beats", "beats")}, "each once"),
    ({"pairs": (PAIRS[0], PAIRS[0][::-1])}, "each once"),
    ({"post": "ftp://x"}, "https://example.org"),
])  # fmt: skip
def test_wishes_are_checked(changes, why):
    with pytest.raises(InputError, match=why):
        Wish(**{"pairs": PAIRS, **changes}).checked()
