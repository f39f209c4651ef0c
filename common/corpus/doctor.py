"""The doctor of a data folder: looks at every file, stops at none, and says of each broken one what is wrong with it.

It reads files with the readers that everything else uses, so what it passes can be read, and what it refuses is refused
later.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from gesturebench.common.corpus import audio
from gesturebench.common.corpus.beat2 import (
    FOLDER,
    FPS,
    MOTION,
    READERS,
    Beat2Folder,
    aligned_words,
    body_model_path,
    clip_length,
)
from gesturebench.common.corpus.build import read_mean_speed
from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.corpus.kinds import KINDS, Kind
from gesturebench.common.corpus.names import ClipName
from gesturebench.common.corpus.splits import SPLIT_TABLE, faults, read_rows
from gesturebench.common.corpus.vocabulary import Vocabulary
from gesturebench.common.errors import InputError
from gesturebench.common.motion.body_file import read_body
from gesturebench.common.motion.export import announced_shape
from gesturebench.common.motion.face import FACE_ARRAYS
from gesturebench.common.parallel import over_processes
from gesturebench.common.progress import Progress, silent

Severity = Literal["broken", "missing", "note"]
"""`broken`: the file cannot be used. `missing`: it is not there, and little can be done without it. `note`: it is used,
but it is not as published."""
ODD_SECONDS = 2.0
"""Motion and audio of BEAT2 differ by about half a second; more than this is worth a note."""
_CLIPS_PER_PROCESS = 50
"""For fewer, a process costs more to start than it saves."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one file, in words, and what to do about it; `file` is its path below the folder."""

    severity: Severity
    kind: str
    file: str
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many files of a kind are there, are not there, and are there but broken."""

    kind: Kind
    found: int
    missing: int
    broken: int


@dataclass(frozen=True)
class Findings:
    """All about a folder. `seconds` of motion that has audio, `dropped_frames` of motion beyond it, `dropped_s` of
    audio beyond the motion; clips that cannot be read count in none of them."""

    root: Path
    n_clips: int
    seconds: float
    dropped_frames: int
    dropped_s: float
    counts: tuple[Count, ...]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """1 if anything is broken or a needed file is missing."""
        return 0 if all(finding.severity == "note" for finding in self.findings) else 1


def examine(folder: Path, *, workers: int = 1, progress: Progress = silent) -> Findings:
    """Look at every file of a data folder (BEAT2's English folder or its parent). No damage makes it fail."""
    root = folder / FOLDER if (folder / FOLDER).is_dir() else folder
    shared = _Notebook(root)
    ids = shared.attempt("motion", root, lambda: Beat2Folder(root).ids()) or ()
    reports, found = [], Counter[str]()
    for report in over_processes(examine_clip, root, ids, min(workers, 1 + len(ids) // _CLIPS_PER_PROCESS)):
        reports.append(report)
        found.update(report.found)
        progress(len(reports), len(ids))
    found.update(_shared_files(shared))
    _split_table(shared, ids)
    _orphans(shared, set(ids))
    findings = [*shared.findings, *(finding for report in reports for finding in report.findings)]
    return Findings(
        root,
        len(ids),
        sum(report.frames for report in reports) / FPS,
        sum(report.dropped_frames for report in reports),
        round(sum(report.dropped_s for report in reports), 3),
        tuple(_count(kind, found[kind.name], len(ids), findings) for kind in KINDS if _expected(kind, root)),
        tuple(sorted(findings, key=lambda finding: get_args(Severity).index(finding.severity))),
    )


@dataclass
class _Notebook:
    """The findings about one clip, or about the files that all clips share."""

    root: Path
    findings: list[Finding] = field(default_factory=list)

    def attempt(self, kind: str, path: Path, read: Callable[[], Result]) -> Result | None:
        """What `read` returns; None, and a finding, if it fails in whatever way."""
        try:
            return read()
        except InputError as error:
            severity: Severity = "broken" if path.exists() else "missing"
            self.add(severity, kind, path, error.what, error.remedy or "restore the file", error.expected)
        except Exception as error:  # damaged bytes can spell anything; the doctor goes on with the next file
            self.add("broken", kind, path, f"cannot be read ({type(error).__name__}: {error})", "restore the file")
        return None

    def add(
        self, severity: Severity, kind: str, path: Path, what: str, remedy: str, expected: str | None = None
    ) -> None:
        what = " ".join(what.removeprefix(f"{path}: ").split()) + (f"; expected {expected}" if expected else "")
        file = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)
        self.findings.append(Finding(severity, kind, file, what, remedy))


@dataclass(frozen=True)
class ClipReport:
    """What the doctor found out about one clip; `found` names the kinds of files it has."""

    found: tuple[str, ...]
    findings: tuple[Finding, ...]
    frames: int = 0
    dropped_frames: int = 0
    dropped_s: float = 0.0


def examine_clip(root: Path, clip_id: str) -> ClipReport:
    """Look at every file of one clip."""
    folder, notebook = Beat2Folder(root), _Notebook(root)
    found = [name for name in READERS.keys() | {"words"} if folder.has(name, clip_id)] + ["motion"]
    found += ["audio"] * folder.has_audio(clip_id)
    frames, samples = _motion(notebook, folder, clip_id), _audio(notebook, folder, clip_id)
    _annotations(notebook, folder, clip_id, min((frames or 0) / FPS, (samples or 0) / SAMPLE_RATE))
    lengths = _lengths(notebook, folder, clip_id, frames, samples) if frames and samples else (0, 0, 0.0)
    return ClipReport(tuple(found), tuple(notebook.findings), *lengths)


def _motion(notebook: _Notebook, folder: Beat2Folder, clip_id: str) -> int | None:
    """Frames, or None."""
    path = folder.motion_file(clip_id)
    notebook.attempt("motion", path, partial(ClipName.parse, clip_id))
    motion = notebook.attempt("motion", path, partial(folder.motion, clip_id))
    if motion is None:
        return None
    shape = announced_shape(path, "betas")
    if len(shape) == 2 and shape[0] > 1:
        notebook.add(
            "note", "motion", path, f"betas are stored per frame, {shape}, all alike", "none needed: read as one shape"
        )
    return motion.n_frames


def _audio(notebook: _Notebook, folder: Beat2Folder, clip_id: str) -> int | None:
    """Samples at 16 kHz, or None."""
    path = folder.audio_file(clip_id)
    header = notebook.attempt("audio", path, partial(audio.read_header, path))
    wave = None if header is None else notebook.attempt("audio", path, partial(audio.read_audio, path))
    if wave is None:
        return None
    if header.rate != SAMPLE_RATE:
        remedy = "none needed: resampled when it is read"
        notebook.add("note", "audio", path, f"{header.rate} Hz; expected {SAMPLE_RATE} Hz", remedy)
    if header.channels != 1:
        remedy = "none needed: averaged when it is read"
        notebook.add("note", "audio", path, f"{header.channels} channels; expected one", remedy)
    return len(wave)


def _annotations(notebook: _Notebook, folder: Beat2Folder, clip_id: str, duration_s: float) -> None:
    """`duration_s` is that of the clip, 0 if motion or audio cannot be read."""
    wave = folder.audio_file(clip_id)
    readers = {"words": lambda path: aligned_words(path, wave, duration_s)[0], **READERS}
    for name, read in readers.items():
        path = folder.annotation_file(name, clip_id)
        rows = notebook.attempt(name, path, partial(read, path)) if path.exists() else None
        if name == "words" and rows == ():
            notebook.add("note", name, path, "no word in it", "restore the file if anybody speaks in the clip")


def _lengths(
    notebook: _Notebook, folder: Beat2Folder, clip_id: str, frames: int, samples: int
) -> tuple[int, int, float]:
    """Frames kept, frames dropped, seconds of audio dropped."""
    kept, kept_samples = clip_length(frames, samples)
    dropped, dropped_s = frames - kept, (samples - kept_samples) / SAMPLE_RATE
    longer = f"motion is {dropped / FPS:.1f} s longer than the audio" if dropped else ""
    longer = longer or f"motion is {dropped_s:.1f} s shorter than the audio"
    if kept == 0:
        notebook.add(
            "broken", "audio", folder.audio_file(clip_id), "shorter than one frame", "copy or download it again"
        )
    elif max(dropped / FPS, dropped_s) > ODD_SECONDS:
        remedy = "compare with the original; both are cut to the shorter"
        notebook.add("note", "motion", folder.motion_file(clip_id), longer, remedy)
    return kept, dropped, dropped_s


def _shared_files(notebook: _Notebook) -> Iterator[str]:
    """Look at the files that clips share; yields the kinds that are there."""
    if (notebook.root / SPLIT_TABLE).is_file():
        yield "split table"
    readers: dict[str, Callable[[Path], Any]] = {
        "mean speed": read_mean_speed,
        "FGD weights": _torch_weights,
        "vocabulary": Vocabulary.load,
        "body model": lambda path: read_body(path, FACE_ARRAYS),
    }
    for kind in KINDS:
        if kind.name in readers:
            path = notebook.root / kind.places[0]
            path = body_model_path(notebook.root) if kind.name == "body model" else path
            if path.exists():
                yield kind.name
                notebook.attempt(kind.name, path, partial(readers[kind.name], path))


def _torch_weights(path: Path) -> None:
    import torch

    weights = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(weights, dict) or not weights:
        raise InputError(
            f"{path}: a {type(weights).__name__}", expected="tensors by name", remedy="download the file again"
        )


def _split_table(notebook: _Notebook, ids: tuple[str, ...]) -> None:
    """Every fault of the split table, and the clips that it does not name."""
    path, name = notebook.root / SPLIT_TABLE, "split table"
    rows = notebook.attempt(name, path, partial(read_rows, path))
    if rows is None:
        return
    for fault in faults(path, rows, set(ids)):
        notebook.add("broken", name, path, fault.what, fault.remedy or "correct the line", fault.expected)
    listed = {row.get("id") for row in rows}
    for clip_id in ids:
        if clip_id not in listed:
            notebook.add("note", name, path, f"{clip_id} is in no split: no grid uses it", f"add a row for {clip_id}")


def _orphans(notebook: _Notebook, ids: set[str]) -> None:
    """Files of clips that have no motion, one note per kind."""
    for kind in KINDS:
        for place in kind.places if kind.per_clip else ():
            before, after = Path(place).name.split("{id}")
            names = sorted(path.name for path in (notebook.root / place).parent.glob(f"{before}*{after}"))
            lost = [name for name in names if name.removeprefix(before).removesuffix(after) not in ids]
            if lost and lost[0][0] != ".":
                path = (notebook.root / place).with_name(lost[0])
                what = "has no motion" + (f", nor have {len(lost) - 1} more files here" if lost[1:] else "")
                notebook.add("note", kind.name, path, what, f"copy the motion to {Path(MOTION).parent} or delete it")


def _expected(kind: Kind, root: Path) -> bool:
    """The truth is expected of generated corpora alone."""
    return kind.name != "truth" or (root / "truth").is_dir()


def _count(kind: Kind, found: int, clips: int, findings: list[Finding]) -> Count:
    broken = len({f.file for f in findings if f.kind == kind.name and f.severity == "broken"})
    absent = (clips if kind.per_clip else 1) - found
    return Count(kind, found, absent, broken)
