"""A study on disk: `page/` goes to the participants, `key.json` stays here."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gesturebench.benchmarks.plan import Cell, Plan
from gesturebench.benchmarks.state import MOTIONS, RunStore
from gesturebench.common.corpus.clip import Motion
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.errors import InputError
from gesturebench.common.files import explained, publish, sha256_json
from gesturebench.common.motion.export import load_motion
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.progress import Progress, silent
from gesturebench.common.rendering.camera import Camera
from gesturebench.common.rendering.film import YAW, Notice, save_film
from gesturebench.common.rendering.video import check_video_file
from gesturebench.common.seeds import numpy_generator
from gesturebench.results.study.design import KEY_FILE, PAGE, VIDEOS, Key, Trial, Wish
from gesturebench.results.study.excerpts import Excerpt, choose_excerpts
from gesturebench.results.study.page import write_page

PLEASE = "Please choose this video"
_NOTICE_FROM, _NOTICE_S = 0.4, 3.0
"""An attention check speaks after this share of the excerpt, for so many seconds."""


def make_study(wish: Wish, plan: Plan, store: RunStore, out: Path, command: str, progress: Progress = silent) -> Key:
    """Render the videos and write page and key into the new folder `out`; returns the key."""
    wish = wish.checked()
    cells = chosen_cells(wish, plan, store, command)
    refuse_folder(out)
    clips = ClipStore.open(store.require(plan.prepare, command))
    fps = _motion(clips, cells, store, plan.protocol.clips(clips)[0]).fps
    excerpts = choose_excerpts(clips, plan.protocol.clips(clips), fps, wish.n, wish.seconds, wish.seed)
    trials = tuple(_shuffled(trials_of(wish, excerpts, fps, cells), wish.seed))
    steps = {label: cell.generate.key for label, cell in cells.items()}
    key = Key.of(
        title=plan.grid.title, is_standin=plan.is_standin, seed=wish.seed, pairs=wish.pairs, questions=wish.questions,
        steps=steps, trials=trials,
    )  # fmt: skip
    part = out.with_name(f".{out.name}.part")
    with explained(out):
        shutil.rmtree(part, ignore_errors=True)
        (part / PAGE / VIDEOS).mkdir(parents=True)
    render_all(wish, key, excerpts, cells, clips, store, part / PAGE / VIDEOS, progress)
    write_page(part / PAGE / "index.html", key, wish)
    key.save(part / KEY_FILE)
    publish(part, out)
    return key


def refuse_folder(out: Path) -> None:
    """Answers may belong to what is there."""
    check_video_file(out.with_name(f"{out.name}.mp4"))
    if out.exists():
        raise InputError(
            f"{out}: is there already", expected="a new folder", remedy="choose another --out or delete it"
        )


def chosen_cells(wish: Wish, plan: Plan, store: RunStore, command: str) -> dict[str, Cell]:
    """Of every row in the pairs, the first seed that is generated."""
    found: dict[str, Cell] = {}
    for label in dict.fromkeys(label for pair in wish.pairs for label in pair):
        if label in plan.absent:
            raise InputError(f"row {label!r}: {plan.absent[label]}", remedy="choose another pair")
        cells = plan.cells_of(label)
        found[label] = next((cell for cell in cells if store.is_done(cell.generate)), cells[0])
        store.require(found[label].generate, command)
    return found


def trials_of(wish: Wish, excerpts: Sequence[Excerpt], fps: float, cells: Mapping[str, Cell]) -> Iterator[Trial]:
    """Every pair with every excerpt, and the attention checks; a video's name is a hash that tells nobody whose it
    is."""
    rng = numpy_generator("study checks", wish.seed)
    for pair in wish.pairs:
        for excerpt in excerpts:
            yield _trial(wish, pair, excerpt, fps, cells)
    for number in range(wish.checks):
        excerpt = excerpts[int(rng.integers(len(excerpts)))]
        pair = wish.pairs[number % len(wish.pairs)]
        marked = pair[int(rng.integers(2))]
        plain = _trial(wish, pair, excerpt, fps, cells)
        video = video_name(wish.seed, cells[marked].generate.key, excerpt, f"check {number}")
        yield replace(plain, videos={**plain.videos, marked: video}, marked=video)


def _trial(wish: Wish, pair: tuple[str, str], excerpt: Excerpt, fps: float, cells: Mapping[str, Cell]) -> Trial:
    videos = {label: video_name(wish.seed, cells[label].generate.key, excerpt) for label in pair}
    return Trial("", pair, excerpt.clip, excerpt.start / fps, excerpt.stop / fps, videos)


def video_name(seed: int, step: str, excerpt: Excerpt, extra: str = "") -> str:
    """Without its ending; equal motion of equal excerpts is one video, which several pairs share."""
    return sha256_json([seed, step, excerpt.clip, excerpt.start, excerpt.stop, extra])[:12]


def _shuffled(trials: Iterator[Trial], seed: int) -> Iterator[Trial]:
    """Numbered after they were mixed: a number does not say which pair it is, or that it is a check."""
    found = list(trials)
    order = numpy_generator("study order", seed).permutation(len(found))
    return (replace(found[i], id=f"t{number:03d}") for number, i in enumerate(order, start=1))


def render_all(
    wish: Wish, key: Key, excerpts: Sequence[Excerpt], cells: Mapping[str, Cell], clips: ClipStore, store: RunStore,
    folder: Path, progress: Progress,
) -> None:  # fmt: skip
    """Each video once. All rows are seen by one camera per excerpt, in the body of the clip's speaker."""
    total = len({video for trial in key.trials for video in trial.videos.values()})
    done = 0
    for excerpt in excerpts:
        motions = {label: _motion(clips, {label: cell}, store, excerpt.clip) for label, cell in cells.items()}
        motions = {label: motion.cut(excerpt.start, excerpt.stop) for label, motion in motions.items()}
        camera = shared_camera(motions.values(), clips.joints, wish.size)
        fps = next(iter(motions.values())).fps
        audio = clips.speech(excerpt.clip).cut(excerpt.start, excerpt.stop, fps).audio
        for video, label, notice in _wanted(key, excerpt, fps):
            file = folder / f"{video}{wish.ending}"
            save_film(file, motions[label], clips.joints, audio, camera=camera, notice=notice)
            done += 1
            progress(done, total)


def _wanted(key: Key, excerpt: Excerpt, fps: float) -> Iterator[tuple[str, str, Notice | None]]:
    """Name, row and notice of every video of an excerpt."""
    seen: set[str] = set()
    for trial in key.trials:
        if (trial.clip, trial.start_s) != (excerpt.clip, excerpt.start / fps):
            continue
        start = _NOTICE_FROM * (trial.end_s - trial.start_s)
        for label, video in trial.videos.items():
            if video not in seen:
                seen.add(video)
                yield video, label, Notice(PLEASE, start, start + _NOTICE_S) if video == trial.marked else None


def shared_camera(motions: Iterable[Motion], joints: JointModel, size: tuple[int, int]) -> Camera:
    return Camera.around([joints.positions(motion) for motion in motions], size, float(YAW))


def _motion(clips: ClipStore, cells: Mapping[str, Cell], store: RunStore, clip: str) -> Motion:
    """What the first of the cells generated for a clip."""
    step = next(iter(cells.values())).generate
    path = step.folder(store.runs) / MOTIONS / f"{clip}.npz"
    if not path.is_file():
        raise InputError(f"{path}: no such file", remedy=f"delete {path.parent.parent} and run the grid again")
    return load_motion(path)
