"""The stand-in corpus on disk: BEAT2's layout, written clip by clip in worker processes, the manifest last."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from gesturebench.common.corpus.clip import SAMPLE_RATE, Motion
from gesturebench.common.corpus.standin.body import BODY_PATH, write_body
from gesturebench.common.corpus.standin.choreography import choreograph
from gesturebench.common.corpus.standin.espeak import Library, find_library
from gesturebench.common.corpus.standin.layout import clip_files
from gesturebench.common.corpus.standin.motion import perform
from gesturebench.common.corpus.standin.presets import ClipName, StandinPreset, clip_names, splits
from gesturebench.common.corpus.standin.prominence import word_prominence
from gesturebench.common.corpus.standin.scene import Scene
from gesturebench.common.corpus.standin.script import write_script
from gesturebench.common.corpus.standin.speech import engine_version, read_aloud
from gesturebench.common.corpus.standin.style import MOODS, mood_voice, speaker_style
from gesturebench.common.files import explained, sha256_file, sha256_json, write_json, writing
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.skeleton import N_JOINTS
from gesturebench.common.parallel import over_processes
from gesturebench.common.progress import Progress, silent
from gesturebench.common.seeds import numpy_generator

GENERATOR_VERSION = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True, eq=False)
class ClipReport:
    """What a finished clip tells the manifest.

    Content hashes by relative path, counts, and per joint the sum over frames of its speed in m/s.
    """

    hashes: dict[str, str]
    frames: int
    samples: int
    events: int
    beats: int
    speed_sum: np.ndarray


@dataclass(frozen=True, eq=False)
class Job:
    """What every clip of a corpus shares; sent to each worker once.

    The body stays a file until it is needed: what is sent must be small.
    """

    preset: StandinPreset
    out: Path
    seed: int
    library: Library

    @cached_property
    def body(self) -> JointModel:
        return JointModel.from_body_model(self.out / BODY_PATH)


def generate_corpus(
    preset: StandinPreset, out: Path, *, seed: int = 0, workers: int = 2, progress: Progress = silent
) -> None:
    """Write the corpus of `preset` under `out` in BEAT2's English layout, with its body model, truth and manifest.

    The bytes depend on preset, seed, speech engine and machine arithmetic, never on the number of workers.
    `manifest.json` comes last: a folder that has one is whole.
    """
    library = find_library()
    version = engine_version(library)
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
        (out / MANIFEST).unlink(missing_ok=True)
    with threadpool_limits(1):  # the last bit of a product may depend on the number of threads
        write_body(out / BODY_PATH)
        job = Job(preset, out, seed, library)
        names, reports = clip_names(preset), []
        for report in over_processes(write_clip, job, names, workers):
            reports.append(report)
            progress(len(reports), len(names))
    _write_csv(out / "train_test_split.csv", splits(preset))
    _write_mean_speed(out / "weights" / "mean_vel_smplxflame_30.npy", reports)
    write_json(out / MANIFEST, _manifest(job, version, reports))


def write_clip(job: Job, name: ClipName) -> ClipReport:
    """Everything about one clip: script, speech, prominence, choreography, motion, and their files."""

    def stream(purpose: str) -> np.random.Generator:
        return numpy_generator("standin", purpose, job.seed, name.speaker, name.number)

    style, mood = speaker_style(job.seed, name.speaker), MOODS[name.emotion]
    script = write_script(job.preset.sentences, stream("script"))
    reading = read_aloud(script, mood_voice(style.voice, mood), job.library, stream("speech"))
    scene = Scene(script, reading, word_prominence(reading), style, mood)
    plan = choreograph(scene, job.preset.semantic_rate, stream("choreography"))
    done = perform(scene, plan, job.body, stream("motion"))
    files = clip_files(name, scene, plan, done)
    for path, content in files.items():
        _write_bytes(job.out / path, content)
    return ClipReport(
        hashes={path: hashlib.sha256(content).hexdigest() for path, content in files.items()},
        frames=scene.n_frames,
        samples=len(reading.audio),
        events=len(plan.gestures),
        beats=len(plan.beats),
        speed_sum=_speed_sum(done.motion, job.body),
    )


def _write_bytes(path: Path, content: bytes) -> None:
    with writing(path) as part:
        part.write_bytes(content)


def _speed_sum(motion: Motion, body: JointModel) -> np.ndarray:
    """(55,) sum over frames of joint speeds in m/s: central differences, one-sided at the ends.

    Expressions of the stand-in body move no joint and are left out.
    """
    positions = body.positions(motion, expressions=False)
    return np.linalg.norm(np.gradient(positions, 1 / motion.fps, axis=0), axis=-1).sum(0)


def _write_mean_speed(path: Path, reports: list[ClipReport]) -> None:
    total = np.sum([r.speed_sum for r in reports], axis=0) / sum(r.frames for r in reports)
    with writing(path) as part, open(part, "wb") as file:
        np.save(file, total.astype(np.float32).reshape(N_JOINTS))


def _write_csv(path: Path, table: dict[str, str]) -> None:
    _write_bytes(path, "\n".join(["id,type", *(f"{clip},{split}" for clip, split in table.items()), ""]).encode())


def _manifest(job: Job, engine: str, reports: list[ClipReport]) -> dict[str, Any]:
    hashes = {path: digest for report in reports for path, digest in report.hashes.items()}
    for extra in (BODY_PATH, Path("train_test_split.csv"), Path("weights/mean_vel_smplxflame_30.npy")):
        hashes[extra.as_posix()] = sha256_file(job.out / extra)
    facts = {
        "kind": "stand-in corpus, generated; not BEAT2",
        "generator_version": GENERATOR_VERSION,
        "seed": job.seed,
        "preset": job.preset.model_dump(),
        "speech": {"engine": "espeak-ng", "version": engine, "source": job.library.source},
        "counts": {
            "clips": len(reports), "frames": sum(r.frames for r in reports),
            "seconds": sum(r.samples for r in reports) / SAMPLE_RATE,
            "events": sum(r.events for r in reports), "beats": sum(r.beats for r in reports),
        },
    }  # fmt: skip
    return facts | {"content_sha256": sha256_json([facts, hashes])}
