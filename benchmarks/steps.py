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
from gesturebench.common.corpus.passport import Passport, encoders_of
from gesturebench.common.corpus.protocol import Protocol
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.files import write_json
from gesturebench.common.fitting import FitContext
from gesturebench.common.progress import Progress


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
    from gesturebench.benchmarks.generating import Generating

    generating = Generating.of(job, protocol_of(job))
    store, clips = generating.store, generating.clips
    cost = generating.all(progress)
    (job.work / MOTIONS).rename(job.out / MOTIONS)
    if (job.work / EXPLAINED).exists():
        (job.work / EXPLAINED).rename(job.out / EXPLAINED)
    return {
        "data": store.fingerprint,
        "is_standin": store.is_standin,
        "clips": len(clips),
        "frames": sum(store.n_frames(i) for i in clips),
        "query": job.spec["query"],
        "cost": cost,
    }


def evaluate(job: Job, progress: Progress) -> dict[str, Any]:
    from gesturebench.benchmarks.scores import pairs_of, score
    from gesturebench.evaluators.registry import get_evaluator

    store, protocol, metric = ClipStore.open(job.inputs["store"]), protocol_of(job), job.spec["metric"]
    units = protocol.units(store)
    files = {unit.clip_id: job.inputs["motions"] / MOTIONS / f"{unit.clip_id}.npz" for unit in units}
    cls = get_evaluator(metric)
    evaluator = cls(cls.Config.parse(dict(job.spec["config"])), store, job.inputs.get("encoder"))
    pairs = pairs_of(protocol, units, files, store, job.place.get("draw", 0))
    scores = score({metric: evaluator}, pairs, len(units), progress)
    write_json(job.out / PER_CLIP, scores.per_unit[metric])
    encoders = encoders_of(scores.numbers, protocol)
    passport = Passport(protocol, scores.units, store.fingerprint, store.is_standin, encoders)
    return {"metrics": scores.numbers[metric], "frames": scores.frames, **passport.record()}


def protocol_of(job: Job) -> Protocol:
    """The protocol a step was planned under."""
    return Protocol.parse(dict(job.place["protocol"]), "protocol")


KINDS = {"corpus": make_corpus, "prepare": prepare, "fit": fit, "generate": generate, "evaluate": evaluate}
