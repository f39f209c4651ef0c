"""Which clips and windows the published loaders use, and the quirks by which they leave some out."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from gesturebench.common.corpus.beat2 import Beat2Folder
from gesturebench.common.corpus.clip import Word
from gesturebench.common.corpus.cutting import Cut
from gesturebench.common.corpus.names import ClipName
from gesturebench.common.corpus.splits import SPLITS, chosen_split
from gesturebench.common.errors import InputError, unknown_name

RELEASED_FALLBACK_ROWS = 8


def selected(
    splits: Mapping[str, str],
    split: str,
    speakers: Iterable[int] | None = None,
    *,
    additional: Literal["none", "after", "before"] = "none",
    empty: Literal["error", "first_training_rows"] = "error",
) -> tuple[str, ...]:
    """Ids of a split table (id -> type) in its order, of some speakers (None: everybody).

    `additional` adds the rows of that type to the training rows: behind them (EMAGE, MambaTalk) or before them
    (RAG-Gesture). `empty`: what happens when nothing is left; the released loaders go on with the speakers' first 8
    training rows, so that a validation score may have been measured on training data.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    wanted = None if speakers is None else set(speakers)
    mine = {clip: kind for clip, kind in splits.items() if wanted is None or ClipName.parse(clip).speaker in wanted}

    def rows(kind: str) -> tuple[str, ...]:
        return tuple(clip for clip, its_kind in mine.items() if its_kind == kind)

    found = rows(split)
    if split == "train" and additional != "none":
        found = found + rows("additional") if additional == "after" else rows("additional") + found
    if not found and empty == "first_training_rows":
        return rows("train")[:RELEASED_FALLBACK_ROWS]
    return found or chosen_split(mine, split, "the split table" if wanted is None else f"speakers {sorted(wanted)}")


def complete(
    folder: Beat2Folder,
    clips: Iterable[str],
    needs: Sequence[str] = ("audio", "words"),
    missing: Literal["error", "drop_clip"] = "error",
) -> tuple[str, ...]:
    """The clips that have every file that is needed: `audio` or the name of an annotation.

    `drop_clip` is what the released loaders do with the others, without a word: a score may be of fewer clips than the
    split has. By default the first gap is an `InputError`.
    """

    def place(need: str, clip: str) -> Path:
        return folder.audio_file(clip) if need == "audio" else folder.annotation_file(need, clip)

    kept = []
    for clip in clips:
        lacking = [need for need in needs if not place(need, clip).is_file()]
        if lacking and missing == "error":
            raise InputError(
                f"{folder.root}: {clip} has no {' and no '.join(lacking)}",
                expected=f"a file in {' and '.join(place(need, clip).parent.name for need in lacking)}",
                remedy="copy it there, or choose missing='drop_clip' as the released loaders do",
            )
        if not lacking:
            kept.append(clip)
    return tuple(kept)


def spoken(
    windows: Sequence[Cut], words: Sequence[Word], fps: float, silent: Literal["drop_window", "drop_clip"]
) -> list[Cut]:
    """The windows of a clip in which at least one word begins and ends.

    `drop_clip` is RAG-Gesture's released behaviour: one silent window and all windows of its clip are gone, which
    changes the members of the test set; `drop_window` leaves out the silent ones alone.
    """

    def speaks(window: Cut) -> bool:
        start_s, end_s = window.times(fps)
        return any(start_s <= word.start_s and word.end_s <= end_s for word in words)

    kept = [window for window in windows if speaks(window)]
    return [] if silent == "drop_clip" and len(kept) < len(windows) else kept
