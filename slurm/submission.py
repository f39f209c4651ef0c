"""Submissions: what was handed to Slurm, written down before it is, so that whoever comes later can tell what became
of it however the submitter ended.

    runs/.slurm/<nonce>/submission.json    the intent: arrays by job name, their packs as keys, what they wait for
                        pack-2-0.json      the steps of pack 0 of array 2, as data
                        array-2.json       written when sbatch has answered: the job id, or that there is none
                        jobs/              submitit's scripts and Slurm's logs

Jobs are known by name, which carries the nonce; job ids are given out again when a controller loses its state.
"""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gesturebench.benchmarks.step import Step, steps_from_json, steps_to_json
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, write_json
from gesturebench.slurm.packs import Array, Dependency, Place
from gesturebench.slurm.profile import Profile

FOLDER = ".slurm"
_PREFIX = "gesture"


def new_nonce() -> str:
    return uuid.uuid4().hex[:10]


def array_name(nonce: str, number: int) -> str:
    """The job name of an array; `start` reads the number from its end.

    >>> array_name("0123456789", 2)
    'gesture-0123456789-2'
    """
    return f"{_PREFIX}-{nonce}-{number}"


@dataclass(frozen=True)
class Submission:
    """One call of the launcher as it was intended; `created` in seconds since 1970, `grid` is how a shell names the
    plan."""

    folder: Path
    created: float
    grid: str
    by: str
    code: str
    profile: Profile
    packs: tuple[tuple[tuple[str, ...], ...], ...]
    execute: str | None = None

    @property
    def nonce(self) -> str:
        return self.folder.name

    @property
    def since(self) -> str:
        """When it was made, as sacct understands it, a minute earlier for clocks that differ."""
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(self.created - 60))

    def names(self) -> tuple[str, ...]:
        return tuple(array_name(self.nonce, number) for number in range(len(self.packs)))

    def keys(self, place: Place) -> tuple[str, ...]:
        return self.packs[int(place.array.rpartition("-")[2])][place.index]

    def places(self) -> Iterator[tuple[Place, tuple[str, ...]]]:
        for name, packs in zip(self.names(), self.packs):
            yield from ((Place(name, index), keys) for index, keys in enumerate(packs))

    @cached_property
    def jobs(self) -> Mapping[str, str]:
        """Job id by array name, as far as sbatch has answered; "" for arrays that are not to run any more."""
        found = {}
        for number, name in enumerate(self.names()):
            job = read_answer(self.folder, number)
            if job is not None:
                found[name] = job
        return found

    def job_id(self, place: Place) -> str | None:
        """Slurm's id of one pack's job ("12_3"; "12" where it is the only one), None while unknown."""
        job = self.jobs.get(place.array)
        alone = len(self.packs[int(place.array.rpartition("-")[2])]) == 1
        return (job if alone else f"{job}_{place.index}") if job else None


def write_submission(
    runs: Path, nonce: str, grid: str, by: str, profile: Profile, arrays: Sequence[Array], execute: str | None
) -> Submission:
    """Write the intent: packs first, so that a submission that can be read is whole."""
    from gesturebench.slurm.sources import code_hash

    folder = runs.resolve() / FOLDER / nonce
    for number, array in enumerate(arrays):
        for index, pack in enumerate(array.packs):
            write_json(pack_file(folder, number, index), steps_to_json(pack))
    keys = tuple(tuple(tuple(step.key for step in pack) for pack in array.packs) for array in arrays)
    submission = Submission(folder, time.time(), grid, by, code_hash(), profile, keys, execute)
    intent = {
        "created": submission.created,
        "grid": grid,
        "by": by,
        "code": submission.code,
        "execute": execute,
        "profile": profile.model_dump(mode="json", exclude_defaults=True),
        "arrays": [_described(array) for array in arrays],
    }
    write_json(folder / "submission.json", intent)
    return submission


def _described(array: Array) -> dict[str, Any]:
    return {
        "name": array.name,
        "request": array.request.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
        "after": [[one.condition, one.array, one.index] for one in array.after],
        "packs": [[step.key for step in pack] for pack in array.packs],
    }


def read_submission(folder: Path) -> Submission:
    values = read_json(folder / "submission.json")
    try:
        profile = Profile.parse(values["profile"], f"profile of {folder}")
        packs = tuple(tuple(tuple(keys) for keys in array["packs"]) for array in values["arrays"])
        return Submission(
            folder, values["created"], values["grid"], values["by"], values["code"], profile, packs, values["execute"]
        )
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{folder / 'submission.json'}: not a submission ({error!r})", remedy="delete the folder"
        ) from error


def submissions(runs: Path) -> list[Submission]:
    """All of a run store, in order of time; a folder whose intent was never finished was never submitted."""
    files = (runs.resolve() / FOLDER).glob("*/submission.json")
    return sorted((read_submission(file.parent) for file in files), key=lambda found: (found.created, found.nonce))


def pack_file(folder: Path, number: int, index: int) -> Path:
    return folder / f"pack-{number}-{index}.json"


def read_pack(folder: Path, number: int, index: int) -> tuple[Step, ...]:
    path = pack_file(folder, number, index)
    return steps_from_json(read_json(path), str(path))


def write_answer(folder: Path, number: int, job: str) -> None:
    """Note an array's job id; "" says that it is not to run, should Slurm have accepted it after all."""
    write_json(folder / f"array-{number}.json", {"job": job, "at": time.time()})


def read_answer(folder: Path, number: int) -> str | None:
    path = folder / f"array-{number}.json"
    return read_json(path)["job"] if path.is_file() else None


def dependency_text(after: Sequence[Dependency], job_of: Mapping[str, str], sizes: Mapping[str, int]) -> str:
    """Dependencies as sbatch takes them; those of one condition joined, a lone job has no element numbers.

    >>> dependency_text([Dependency("aftercorr", "a"), Dependency("afterok", "b", 1)], {"a": "7", "b": "8"}, {"b": 2})
    'aftercorr:7,afterok:8_1'
    """
    by_condition: dict[str, list[str]] = {}
    for one in after:
        job = job_of[one.array]
        text = job if one.index is None or sizes.get(one.array) == 1 else f"{job}_{one.index}"
        by_condition.setdefault(one.condition, []).append(text)
    return ",".join(":".join([condition, *jobs]) for condition, jobs in by_condition.items())
