"""What a study consists of, and the key that says which video is whose: it stays with the experimenter."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.files import read_json, sha256_json, write_json
from gesturebench.common.rendering.camera import checked_size
from gesturebench.common.rendering.film import SIZE

QUESTIONS = {
    "liveness": "Who moves in a more lively and natural way?",
    "beats": "Whose gestures fit the rhythm of the speech better?",
    "expressiveness": "Whose gestures express better what is said?",
    "overall": "Which video do you prefer?",
}
"""What can be asked; the first three are the columns of ExGes' Table 4, whose wording is not published."""
DEFAULT_QUESTIONS = ("liveness", "beats", "expressiveness")
KEY_FORMAT, KEY_FILE, PAGE, VIDEOS = "gesturebench study key 1", "key.json", "page", "videos"


@dataclass(frozen=True)
class Wish:
    """What the command line asks for. `pairs` of row labels; `n` excerpts of at most `seconds` for every pair;
    `checks` trials in which a video says that it is to be chosen; `post` the address that answers are sent to;
    `ending` and `size` (width, height) of the videos."""

    pairs: tuple[tuple[str, str], ...]
    n: int = 10
    seed: int = 0
    seconds: float = 10.0
    checks: int = 2
    questions: tuple[str, ...] = DEFAULT_QUESTIONS
    post: str | None = None
    ending: str = ".mp4"
    size: tuple[int, int] = SIZE

    def checked(self) -> "Wish":
        for question in self.questions:
            if question not in QUESTIONS:
                raise unknown_name("question", question, QUESTIONS)
        for what, asked in (("pair", [frozenset(pair) for pair in self.pairs]), ("question", self.questions)):
            if not asked or len(set(asked)) < len(asked):
                raise InputError(f"{len(asked)} {what}s", expected=f"at least one {what}, and each once")
        if self.post is not None and not self.post.startswith(("http://", "https://")):
            raise InputError(f"--post {self.post}", expected="an address such as https://example.org/answers")
        checked_size(self.size)
        return self


def pair_of(text: str, labels: Sequence[str]) -> tuple[str, str]:
    """Two row labels with a comma between them; labels may hold commas themselves.

    >>> pair_of("Base, no guidance,EMAGE", ["Base, no guidance", "EMAGE"])
    ('Base, no guidance', 'EMAGE')
    """
    pieces = text.split(",")
    splits = [(",".join(pieces[:i]).strip(), ",".join(pieces[i:]).strip()) for i in range(1, len(pieces))]
    for first, second in splits:
        if first in labels and second in labels:
            if first == second:
                raise InputError(f"--pairs {text}", expected="two different rows")
            return first, second
    if len(splits) == 1:
        raise unknown_name("row", next(label for label in splits[0] if label not in labels), labels)
    raise InputError(f"--pairs {text}", expected=f"two rows with a comma between them, of {'; '.join(labels)}")


@dataclass(frozen=True)
class Trial:
    """Two videos, by row label; `marked` is the one that asks to be chosen in an attention check, else None."""

    id: str
    pair: tuple[str, str]
    clip: str
    start_s: float
    end_s: float
    videos: Mapping[str, str]
    marked: str | None = None


@dataclass(frozen=True)
class Key:
    """A whole study: what was shown and asked, of which runs. `steps` are the keys of the generate steps by row."""

    study: str
    title: str
    is_standin: bool
    seed: int
    pairs: tuple[tuple[str, str], ...]
    questions: tuple[str, ...]
    steps: Mapping[str, str]
    trials: tuple[Trial, ...]

    @classmethod
    def of(cls, **fields: Any) -> "Key":
        """The study is called after all that it consists of."""
        blank = cls(study="", **fields)
        return cls(study=sha256_json(asdict(blank))[:12], **fields)

    @property
    def checks(self) -> tuple[Trial, ...]:
        return tuple(trial for trial in self.trials if trial.marked is not None)

    def save(self, path: Path) -> None:
        write_json(path, {"format": KEY_FORMAT, **asdict(self)})

    @classmethod
    def load(cls, path: Path) -> "Key":
        """Read what `save` wrote."""
        remedy = "name the folder that `gesturebench study make` wrote with --study"
        if not path.is_file():
            raise InputError(f"{path}: no such file", expected="the key of a study", remedy=remedy)
        told = read_json(path)
        if not isinstance(told, dict) or told.pop("format", None) != KEY_FORMAT:
            raise InputError(f"{path}: not the key of a study", expected=f"format {KEY_FORMAT!r}", remedy=remedy)
        try:
            trials = tuple(Trial(**{**trial, "pair": tuple(trial["pair"])}) for trial in told.pop("trials"))
            pairs, questions = tuple(map(tuple, told.pop("pairs"))), tuple(told.pop("questions"))
            return cls(trials=trials, pairs=pairs, questions=questions, **told)
        except (TypeError, KeyError) as error:
            raise InputError(f"{path}: not a whole key ({error})", remedy=remedy) from error
