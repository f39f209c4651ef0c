"""The verb `data fetch`: the dataset with its annotations from the hub."""

from pathlib import Path

from gesturebench.common.corpus.kinds import ADDITIONS, BEAT2, KINDS
from gesturebench.console import console
from gesturebench.weights import fetch

DATASET = "m-hamza-mughal/beat2-additional-annotations"
LICENCE = f"for non-commercial use only ({BEAT2.licence}; additions {ADDITIONS.licence})"


def fetch_data(out: Path, include: tuple[str, ...], revision: str) -> None:
    from gesturebench.common.corpus.splits import SPLIT_TABLE
    from gesturebench.common.weights.hub import Repository, look_up

    snapshot = look_up(Repository(DATASET, "dataset", include or patterns()), revision)
    screen = console()
    screen.print(f"{DATASET}: {LICENCE}", markup=False, soft_wrap=True)
    fetch(snapshot, out, show_files=False)
    for table in sorted(out.rglob(SPLIT_TABLE)):
        screen.print(f"check it with `gesturebench data check {table.parent}`", markup=False, soft_wrap=True)


def patterns() -> tuple[str, ...]:
    """Every kind of file that is read of the corpus, in whatever folder of the repository; the stand-in's and SMPL-X's
    are not there."""
    places = [place for kind in KINDS if kind.source in (BEAT2, ADDITIONS) for place in kind.places]
    return tuple(dict.fromkeys(f"*{place.format(id='*')}" for place in places))
