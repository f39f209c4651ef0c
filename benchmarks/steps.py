"""What each kind of step does. Runs in a worker process; everything it makes lies in `job.out` when it returns."""

import time
from importlib import import_module
from pathlib import Path
from typing import Any

from gesturebench.benchmarks.job import Job
from gesturebench.benchmarks.ranks import fit_on_ranks
from gesturebench.benchmarks.record import record_of
from gesturebench.benchmarks.shards import write_shard
from gesturebench.benchmarks.state import EXPLAINED, MOTIONS, PER_CLIP, RECORD
from gesturebench.common.budget import processes_of
from gesturebench.common.corpus.clip import Speech
from gesturebench.common.corpus.passport import Passport, encoders_of
from gesturebench.common.corpus.protocol import Protocol
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from gesturebench.common.fitting import FitContext
from gesturebench.common.progress import Progress

BATCH = 12
"""Clips generated together. A sample does not depend on it; a killed generation loses at most this many."""


def execute(job: Job, progress: Progress) -> None:
    """Run the step and leave its record beside its result."""
    started = time.time()
    job.out.mkdir(parents=True, exist_ok=True)
    job.work.mkdir(parents=True, exist_ok=True)
    found = KINDS[job.kind](job, progress)
    write_json(job.out / RECORD, record_of(job, started, found))
    if job.kind == "evaluate":
        write_shard(job.out, runs=job.inputs["motions"].parents[1])


def make_corpus(job: Job, progress: Progress) -> dict[str, Any]:
    from gesturebench.common.corpus.standin.generate import generate_corpus
    from gesturebench.common.corpus.standin.presets import StandinPreset

    preset = StandinPreset.parse(dict(job.spec["preset"]), "stand-in preset")
    generate_corpus(preset, job.out, seed=job.spec["seed"], workers=job.workers, progress=progress)
    return {}


def prepare(job: Job, progress: Progress) -> dict[str, Any]:
    from gesturebench.common.corpus.store import build_store

    root = job.inputs.get("corpus") or Path(job.place["root"])
    body = job.place.get("body")
    body = Path(body) if body else None
    build_store(root, job.out, body=body, work=job.work / "store", workers=job.workers, progress=progress)
    store = ClipStore.open(job.out)
    return {"data": store.fingerprint, "is_standin": store.is_standin, "clips": len(store.ids)}


def fit(job: Job, progress: Progress) -> dict[str, Any]:
    processes = processes_of(job.spec["config"])
    if processes > 1:
        fit_on_ranks(job, processes, progress)
    else:
        fit_alone(job, progress)
    return {"data": ClipStore.open(job.inputs["store"]).fingerprint}


def fit_alone(job: Job, progress: Progress) -> None:
    """Fit in this process, which may be one of several that do."""
    upstream = {name: path for name, path in job.inputs.items() if name != "store"}
    store = ClipStore.open(job.inputs["store"])
    seed, divisor = job.spec.get("seed") or 0, job.batch_divisor
    context = FitContext(store, job.out, job.work, seed, upstream, progress, divisor, job.place, job.workers)
    if "evaluator" in job.spec:
        from gesturebench.evaluators.registry import get_evaluator

        evaluator = get_evaluator(job.spec["evaluator"])
        evaluator.fit(evaluator.Config.parse(dict(job.place["config"])), context)
    else:
        module, _, function = job.spec["fit"].partition(":")
        getattr(import_module(module), function)(job.spec["config"], context)


def generate(job: Job, progress: Progress) -> dict[str, Any]:
    """Motions of the protocol's clips in batches; a batch whose files are all there is not made again."""
    from gesturebench.methods.registry import get_method

    store = ClipStore.open(job.inputs["store"])
    clips = protocol_of(job).clips(store)
    cls = get_method(job.spec["method"])
    config = cls.Config.parse(dict(job.spec["config"]))
    method = cls.load(config, {name: path for name, path in job.inputs.items() if name != "store"}, store)
    folder = job.work / MOTIONS
    folder.mkdir(exist_ok=True)
    progress(0, len(clips))
    size = max(1, BATCH // job.batch_divisor)
    seconds, made = 0.0, 0
    for start in range(0, len(clips), size):
        batch = clips[start : start + size]
        if not all((folder / f"{i}.npz").exists() for i in batch):
            alive = _within(progress, start, len(clips))
            seconds += _generate_batch(method, cls.shown(config), batch, store, job, folder, alive)
            made += sum(store.n_frames(i) for i in batch)
        progress(min(start + size, len(clips)), len(clips))
    folder.rename(job.out / MOTIONS)
    if (job.work / EXPLAINED).exists():
        (job.work / EXPLAINED).rename(job.out / EXPLAINED)
    frames = sum(store.n_frames(i) for i in clips)
    return {
        "data": store.fingerprint,
        "is_standin": store.is_standin,
        "clips": len(clips),
        "frames": frames,
        "query": job.spec["query"],
        "cost": {"seconds": round(seconds, 3), "frames": made, "evaluations": method.evaluations()},
    }


def _within(progress: Progress, done: int, total: int) -> Progress:
    """Progress of a batch as that of the whole: it may be stopped before its end, not at it, where it is written."""

    def alive(part: int, parts: int) -> None:
        if part < parts:
            progress(done, total)

    return alive


def _generate_batch(
    method,
    shown: tuple[int, ...],
    clips: tuple[str, ...],
    store: ClipStore,
    job: Job,
    folder: Path,
    alive: Progress,
) -> float:
    """Write the motions of a few clips, given the true motion of the joints `shown`; `alive` hears that work goes on,
    and may stop it. Returns the seconds that the method took."""
    from gesturebench.common.motion.export import save_motion
    from gesturebench.methods.base import Control

    reads_truth = job.spec["query"] == "oracle" and not shown
    speeches = [store.speech(i, oracle=reads_truth) for i in clips]
    for name in sorted(method.requires):
        missing = next((speech.clip_id for speech in speeches if not getattr(speech, name)), None)
        if missing:
            raise InputError(
                f"clip {missing} has no {name}",
                expected=f"{name}, which method {method.name!r} requires",
                remedy="add the annotation",
            )
    control = [Control.of(store.motion(i), shown) for i in clips] if shown else None
    _explain(method, speeches, job)
    began = time.perf_counter()
    motions = method.generate(
        speeches, seed=job.spec["seed"], control=control, batch_size=len(speeches), progress=alive
    )
    seconds = time.perf_counter() - began
    for clip_id, motion in zip(clips, motions, strict=True):
        source = f"{method.name} for clip {clip_id}"
        if motion.checked(source).n_frames != store.n_frames(clip_id):
            raise RuntimeError(f"{source}: {motion.n_frames} frames for a clip of {store.n_frames(clip_id)}")
        save_motion(folder / f"{clip_id}.npz", motion)
    return seconds


def _explain(method, speeches: list[Speech], job: Job) -> None:
    """Write what the method says about each clip, before the motion that says the clip is done."""
    for speech, told in zip(speeches, method.explain(speeches, seed=job.spec["seed"]) or ()):
        (job.work / EXPLAINED).mkdir(exist_ok=True)
        write_json(job.work / EXPLAINED / f"{speech.clip_id}.json", told)


def evaluate(job: Job, progress: Progress) -> dict[str, Any]:
    from gesturebench.benchmarks.scores import pairs_of, score
    from gesturebench.evaluators.registry import get_evaluator

    store, protocol, metric = ClipStore.open(job.inputs["store"]), protocol_of(job), job.spec["metric"]
    units = protocol.units(store)
    files = {unit.clip_id: job.inputs["motions"] / MOTIONS / f"{unit.clip_id}.npz" for unit in units}
    cls = get_evaluator(metric)
    evaluator = cls(cls.Config.parse(dict(job.spec["config"])), store, job.inputs.get("encoder"))
    scores = score({metric: evaluator}, pairs_of(protocol, units, files, store), len(units), progress)
    write_json(job.out / PER_CLIP, scores.per_unit[metric])
    encoders = encoders_of(scores.numbers, protocol)
    passport = Passport(protocol, scores.units, store.fingerprint, store.is_standin, encoders)
    return {"metrics": scores.numbers[metric], "frames": scores.frames, **passport.record()}


def protocol_of(job: Job) -> Protocol:
    """The protocol a step was planned under."""
    return Protocol.parse(dict(job.place["protocol"]), "protocol")


KINDS = {"corpus": make_corpus, "prepare": prepare, "fit": fit, "generate": generate, "evaluate": evaluate}
