"""The page that participants see: one HTML file beside its videos, which needs no server and no network."""

import json
from pathlib import Path

from gesturebench.common.files import writing
from gesturebench.results.render import template
from gesturebench.results.study.answers import ANSWERS_FORMAT
from gesturebench.results.study.design import QUESTIONS, VIDEOS, Key, Wish


def write_page(path: Path, key: Key, wish: Wish) -> None:
    """Nothing in the page says which video is whose, or which trials are attention checks."""
    text = template("study.html").render(data=script_json(page_data(key, wish)))
    with writing(path) as part:
        part.write_text(text, encoding="utf-8")


def page_data(key: Key, wish: Wish) -> dict[str, object]:
    """What the page's script reads. The names of videos are in their own order, which does not tell the rows'."""
    return {
        "format": ANSWERS_FORMAT,
        "study": key.study,
        "questions": [{"key": question, "text": QUESTIONS[question]} for question in key.questions],
        "trials": [
            {"id": trial.id, "videos": sorted(trial.videos.values())}
            for trial in key.trials
        ],
        "folder": VIDEOS,
        "ending": wish.ending,
        "post": wish.post,
        "minutes": round((2 * wish.seconds + 4 * len(key.questions) + 4) / 60, 3),
    }  # fmt: skip


def script_json(value: object) -> str:
    """JSON that may stand inside a `<script>` element.

    >>> script_json("</script>")
    '"\\\\u003c/script>"'
    """
    return json.dumps(value).replace("<", "\\u003c")
