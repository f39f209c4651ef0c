"""Files of answers that the page saves: read, checked against the key, and refused one by one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesturebench.common.errors import InputError, shown
from gesturebench.common.files import read_json
from gesturebench.results.study.design import Key, Trial

ANSWERS_FORMAT = "gesturebench study answers 1"


@dataclass(frozen=True)
class Answers:
    """One participant's: by trial and question, the video that was chosen."""

    file: Path
    participant: str
    choices: Mapping[str, Mapping[str, str]]

    def failed_checks(self, key: Key) -> int:
        """Attention checks in which another video than the one that asked for it was chosen, for any question."""
        return sum(any(video != t.marked for video in self.choices[t.id].values()) for t in key.checks)


def collect_answers(files: Iterable[Path], key: Key) -> tuple[tuple[Answers, ...], tuple[str, ...]]:
    """Those that can be used, and a sentence for each that cannot; the first file of a participant counts."""
    found: dict[str, Answers] = {}
    left_out: list[str] = []
    for file in files:
        try:
            answers = read_answers(file, key)
        except InputError as error:
            left_out.append(str(error))
            continue
        first = found.setdefault(answers.participant, answers)
        if first is not answers:
            same = "the same" if first.choices == answers.choices else "other"
            left_out.append(f"{file}: participant {answers.participant!r} gave {same} answers in {first.file}")
    return tuple(found.values()), tuple(left_out)


def read_answers(file: Path, key: Key) -> Answers:
    """One file; an `InputError` names it if it is broken, unfinished, or of another study."""
    told = read_json(file)
    if not isinstance(told, dict) or told.get("format") != ANSWERS_FORMAT:
        raise InputError(f"{file}: not a file of answers", expected=f"format {ANSWERS_FORMAT!r}")
    if told.get("study") != key.study:
        raise InputError(f"{file}: answers to study {shown(told.get('study'))}", expected=f"those to {key.study}")
    participant, given = told.get("participant"), told.get("answers")
    if not isinstance(participant, str) or not participant or not isinstance(given, list):
        raise InputError(f"{file}: no participant or no answers", expected="a file as the page saved it")
    choices = _by_trial(file, given)
    for trial in key.trials:
        if trial.id not in choices:
            raise InputError(
                f"{file}: {len(choices)} of {len(key.trials)} trials are answered", expected="a finished study"
            )
        _check(file, trial, choices[trial.id], key)
    if len(choices) > len(key.trials):
        stranger = next(trial for trial in choices if trial not in {t.id for t in key.trials})
        raise InputError(f"{file}: trial {shown(stranger)} is not of this study")
    return Answers(file, participant, {trial: answer["choices"] for trial, answer in choices.items()})


def _by_trial(file: Path, given: list[Any]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for answer in given:
        trial = answer.get("trial") if isinstance(answer, dict) else None
        if not isinstance(trial, str) or not isinstance(answer.get("choices"), dict):
            raise InputError(f"{file}: answer {shown(answer)}", expected="a trial and its choices")
        if trial in found:
            raise InputError(f"{file}: trial {trial!r} is answered twice", expected="a file as the page saved it")
        found[trial] = answer
    return found


def _check(file: Path, trial: Trial, answer: Mapping[str, Any], key: Key) -> None:
    videos, sides = set(trial.videos.values()), [answer.get("left"), answer.get("right")]
    if not all(isinstance(side, str) for side in sides) or set(sides) != videos:
        raise InputError(f"{file}: trial {trial.id!r} shows {shown(sides)}", expected=" and ".join(sorted(videos)))
    choices = answer["choices"]
    for question in key.questions:
        if choices.get(question) not in sides:
            raise InputError(
                f"{file}: trial {trial.id!r}, question {question!r}: {shown(choices.get(question))}",
                expected="one of the two videos",
            )
