"""What the verbs of `study` do."""

from collections.abc import Sequence
from pathlib import Path

from gesturebench.benchmarks.state import RunStore
from gesturebench.cli_options import Asked
from gesturebench.common.errors import InputError
from gesturebench.common.rendering.video import VIDEO_ENDINGS
from gesturebench.console import console, progress_bar
from gesturebench.filming import parsed_size


def make_pages(
    asked: Asked, pairs: Sequence[str], out: Path, *, n: int, seconds: float, seed: int, checks: int,
    questions: Sequence[str] | None, video: str, size: str, post: str | None,
) -> None:  # fmt: skip
    from gesturebench.common.errors import unknown_name
    from gesturebench.common.threads import limit_threads
    from gesturebench.results.study.design import DEFAULT_QUESTIONS, KEY_FILE, PAGE, Wish, pair_of
    from gesturebench.results.study.making import make_study

    if f".{video}" not in VIDEO_ENDINGS:
        raise unknown_name("kind of video", video, [ending.removeprefix(".") for ending in VIDEO_ENDINGS])
    pixels = parsed_size(size)
    plan = asked.open()
    labels = [row.label for row in plan.grid.rows]
    chosen = tuple(pair_of(pair, labels) for pair in pairs)
    wish = Wish(chosen, n, seed, seconds, checks, tuple(questions or DEFAULT_QUESTIONS), post, f".{video}", pixels)
    limit_threads()
    with progress_bar("render") as progress:
        key = make_study(wish, plan, RunStore(asked.runs), out, f"gesturebench run {asked.named()}", progress)
    count = len({video for trial in key.trials for video in trial.videos.values()})
    screen = console()
    screen.print(f"Study {key.study}: {len(key.trials)} trials, {count} videos", markup=False)
    screen.print(f"For the participants: {out / PAGE / 'index.html'}", markup=False, soft_wrap=True)
    screen.print(f"Keep to yourself: {out / KEY_FILE}", markup=False, soft_wrap=True)


def analyse_answers(files: Sequence[Path], study: Path, allowed: int, format: str | None, out: Path | None) -> None:
    """Print the table; files that cannot be used are named on standard error."""
    from gesturebench.results.study import Key, analyse, collect_answers, study_sheet
    from gesturebench.results.study.design import KEY_FILE
    from gesturebench.tabling import Printing

    printing = Printing.checked(format, out)
    key = Key.load(study / KEY_FILE if study.suffix != ".json" else study)
    answers, left_out = collect_answers(files, key)
    for sentence in left_out:
        console(stderr=True).print(f"left out: {sentence}", markup=False, soft_wrap=True)
    if not answers:
        raise InputError(
            f"study {key.study}: none of {len(files)} files can be used", expected="answers that its page saved"
        )
    printing.show(study_sheet(analyse(key, answers, allowed)))
