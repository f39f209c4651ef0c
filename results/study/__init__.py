"""A study with people: two videos of the same speech at a time, which is better, and what the answers say."""

from gesturebench.results.study.analysis import Analysis, Preference, analyse
from gesturebench.results.study.answers import Answers, collect_answers
from gesturebench.results.study.design import QUESTIONS, Key, Wish
from gesturebench.results.study.making import make_study
from gesturebench.results.study.sheet import study_sheet

__all__ = [
    "QUESTIONS", "Analysis", "Answers", "Key", "Preference", "Wish", "analyse", "collect_answers", "make_study",
    "study_sheet",
]  # fmt: skip
