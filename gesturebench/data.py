"""What the verbs about data folders do."""

import glob
import json
import os
import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from gesturebench.common.errors import InputError, unknown_name
from gesturebench.console import console, progress_bar

if TYPE_CHECKING:
    from gesturebench.common.corpus.doctor import Findings


def write_standin(preset: str, out: Path, seed: int, workers: int) -> None:
    """Generate beside `out` and rename, so that a folder named `out` is always a whole corpus."""
    from gesturebench.common.corpus.standin.presets import PRESETS
    from gesturebench.common.files import explained, publish

    if preset not in PRESETS:
        raise unknown_name("stand-in preset", preset, PRESETS)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: already there", expected="a new or empty folder", remedy="choose another --out")
    from gesturebench.common.corpus.standin.generate import generate_corpus

    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with explained(out):
            _clear_parts(out)
            part.mkdir(parents=True)
        with progress_bar(f"stand-in corpus {preset}") as progress:
            generate_corpus(PRESETS[preset], part, seed=seed, workers=workers, progress=progress)
        publish(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    console().print(f"{out}: stand-in corpus {preset}, seed {seed}", markup=False, soft_wrap=True)


def _clear_parts(out: Path) -> None:
    """Remove what killed commands left beside `out`."""
    from gesturebench.benchmarks.owner import Process

    for part in out.parent.glob(f".{glob.escape(out.name)}.*.part"):
        number = part.name.split(".")[-2]
        if number.isdecimal() and not Process.of(int(number)).is_alive():
            shutil.rmtree(part, ignore_errors=True)


def show_data(folder: Path) -> None:
    """Hours, splits, speakers, emotions and annotations of a folder, from the headers of its files."""
    from rich.table import Table

    from gesturebench.common.corpus.survey import survey

    with progress_bar("reading headers") as progress:
        found = survey(folder, progress)
    screen = console()
    screen.print(
        f"{found.root}: {len(found.clips)} clips, {found.seconds / 3600:.2f} h of motion with audio; "
        f"{found.dropped_frames} frames of motion have none and are dropped",
        markup=False,
        soft_wrap=True,
    )
    for title, groups in found.groups().items():
        table = Table(title, "clips", "speakers", "minutes", box=None)
        for name, clips in groups.items():
            speakers = {clip.speaker for clip in clips}
            minutes = sum(clip.seconds for clip in clips) / 60
            table.add_row(name, str(len(clips)), str(len(speakers)), f"{minutes:.1f}")
        screen.print()
        screen.print(table)


def check_data(folder: Path, workers: int, as_json: bool) -> int:
    """What the doctor says about a folder; returns the exit code."""
    from gesturebench.common.corpus.doctor import examine

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", expected="a BEAT2 folder", remedy="pass the folder of the corpus")
    with progress_bar("examining files") as progress:
        findings = examine(folder, workers=workers, progress=progress)
    if as_json:
        print(json.dumps(asdict(findings) | {"exit_code": findings.exit_code}, indent=1, default=str))
    else:
        _show_findings(findings)
    return findings.exit_code


def _show_findings(findings: "Findings") -> None:
    from rich.table import Table

    screen = console()
    screen.print(
        f"{findings.root}: {findings.n_clips} clips, {findings.seconds / 3600:.2f} h of motion with audio; "
        f"{findings.dropped_frames} frames of motion have none and are dropped",
        markup=False,
        soft_wrap=True,
    )
    table = Table("files", "found", "missing", "broken", "for", "from", box=None)
    for count in findings.counts:
        kind = count.kind
        numbers = (str(number) for number in (count.found, count.missing, count.broken))
        table.add_row(kind.name, *numbers, kind.use, kind.source.name)
    screen.print(table)
    for source in dict.fromkeys(count.kind.source for count in findings.counts):
        screen.print(f"{source.name}: {source.place} ({source.licence})", markup=False, soft_wrap=True)
    for finding in findings.findings:
        line = f"{finding.severity}: {finding.file}: {finding.what}; {finding.remedy}"
        screen.print(line, markup=False, soft_wrap=True)
    tally = Counter(finding.severity for finding in findings.findings)
    screen.print(f"{tally['broken']} broken, {tally['missing']} missing where needed, {tally['note']} notes")


def prepare_data(data: str, body: str | None, runs: Path, workers: int) -> int:
    """Fill the clip store of a folder, the one that grids over it use; returns the exit code."""
    from gesturebench.benchmarks.remembered import remember
    from gesturebench.benchmarks.runner import Runner
    from gesturebench.benchmarks.source import find_source
    from gesturebench.benchmarks.state import RunStore
    from gesturebench.benchmarks.view import view_for
    from gesturebench.common.corpus.store import ClipStore, store_version

    screen = console(stderr=True)
    with screen.status(f"reading {data}"):  # hashes every file the first time
        steps = find_source(data, body, runs).steps(store_version())
    remember(f"data prepare {data}", steps, runs)
    outcome = Runner(runs, workers, view_for(screen)).run(steps)
    if not outcome.failed:
        store = ClipStore.open(RunStore(runs).require(steps[-1], f"gesturebench data prepare {data}"))
        info = store.info
        console().print(
            f"{store.path}: {info['n_clips']} clips, {info['duration_s'] / 3600:.2f} h; "
            f"{info['dropped_frames']} frames of motion without audio were dropped",
            markup=False,
            soft_wrap=True,
        )
    return outcome.exit_code
