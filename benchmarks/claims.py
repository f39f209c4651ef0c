"""Claims: who is working on a step.

One file per generation, `.claims/<key>.<generation>.json`, created exclusively (O_EXCL); the highest generation owns
the step. To take over is to create the next generation, to release is to set the own file's heartbeat to the beginning
of time: no name is used twice while anybody may have an old listing, so nobody can be fooled by one. Deleted are a
finished step's claims, because whoever takes one must look whether the step is finished, and generations that were
followed by two others and not touched for longer than any file system shows old listings; who creates such a name
again lists anew, sees the owner and gives way. A heartbeat is a modification time that the
file server sets, and is compared with the one it gives to a file written now. Nothing here needs locks, hence nothing
fails on network file systems that have none."""

import contextlib
import json
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from gesturebench.benchmarks.owner import Owner, Process
from gesturebench.common.files import explained

BEAT_S, STALE_S = 5.0, 120.0
"""Seconds between heartbeats, and how old one is that another host has given up."""

_FORGOTTEN_S = 900.0
"""Seconds after which no network file system shows a listing that is so old (they refresh theirs within minutes)."""


@dataclass(frozen=True)
class _Claim:
    """A claim file as it was read: no owner while it is being written, heartbeat 0 when released."""

    generation: int
    owner: Owner | None
    heartbeat: float

    def is_alive(self, now: float) -> bool:
        """On the owner's host its processes decide, elsewhere the heartbeat does."""
        if self.heartbeat == 0:
            return False
        if self.owner is not None and self.owner.is_here:
            return self.owner.runs()
        return now - self.heartbeat < STALE_S


class Claims:
    """The claims of a run store. Those that this object has taken are kept alive by a thread until they are
    released."""

    def __init__(self, runs: Path, beat_s: float = BEAT_S):
        self.folder, self.beat_s = runs / ".claims", beat_s
        self.held: dict[str, int] = {}
        self._lock, self._heart = threading.Lock(), None

    def path(self, key: str, generation: int | None = None) -> Path:
        """The file of a claim, of the highest generation if none is named."""
        if generation is None:
            generation = max(self._generations(key), default=1)
        return self.folder / f"{key}.{generation}.json"

    def holder(self, key: str) -> Owner | None:
        """The living owner of a step, if any. Looks without writing, so another host's heartbeat is compared with our
        clock; `take` knows better."""
        claim = self._highest(key)
        return _owner_of(claim) if claim is not None and claim.is_alive(time.time()) else None

    def living(self) -> dict[str, Owner]:
        """The living owners of all claimed steps, looking as `holder` does."""
        highest: dict[str, int] = {}
        for key, generation in self._names():
            highest[key] = max(generation, highest.get(key, 0))
        found = {key: self._read(key, generation) for key, generation in highest.items()}
        now = time.time()
        return {key: _owner_of(claim) for key, claim in found.items() if claim is not None and claim.is_alive(now)}

    def take(self, key: str, worker_pid: int | None = None) -> Owner | None:
        """Claim a step; returns None when it is ours now, else its living owner. Then look whether it is finished."""
        with explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            current = self._highest(key)
            if current is not None and current.is_alive(self._now()):
                return _owner_of(current)
            mine = current.generation + 1 if current is not None else 1
            if not self._create(key, mine, Owner.this(worker_pid)):
                return _owner_of(self._highest(key))  # somebody was faster by a moment
            generations = self._generations(key)
            if max(generations, default=mine) > mine:  # our listing was old
                self._mark_released(key, mine)
                return _owner_of(self._highest(key))
            self._clear(key, [generation for generation in generations if generation < mine - 1])
        with self._lock:
            self.held[key] = mine
        self._start_heart()
        return None

    def release(self, key: str) -> None:
        """Give a step back; nothing if it is not ours."""
        with self._lock:
            generation = self.held.pop(key, None)
            if generation is not None:
                self._mark_released(key, generation)

    def forget(self, key: str) -> None:
        """Release a step that is finished, and delete its claims: nobody needs them who looks at the result."""
        with self._lock:
            self.held.pop(key, None)
        for generation in self._generations(key):
            with contextlib.suppress(OSError):
                self.path(key, generation).unlink()

    def lost(self) -> list[str]:
        """Steps that were ours until somebody took our silence for death."""
        with self._lock:
            held = dict(self.held)
        listed: dict[str, int] = {}
        for key, generation in self._names():
            listed[key] = max(generation, listed.get(key, 0))
        return [key for key, generation in held.items() if listed.get(key) != generation]

    def close(self) -> None:
        """Release everything and end the heartbeat."""
        for key in list(self.held):
            self.release(key)

    def _create(self, key: str, generation: int, owner: Owner) -> bool:
        """Create the file of a generation, unless somebody has."""
        path = self.path(key, generation)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o664)
        except FileExistsError:
            return False
        try:
            os.write(descriptor, json.dumps(asdict(owner)).encode())
        except OSError:
            self._mark_released(key, generation)
            raise
        finally:
            os.close(descriptor)
        return True

    def _clear(self, key: str, generations: list[int]) -> None:
        """Delete those that nobody can hope to follow: what is taken again and again would leave a file each time."""
        if not generations:
            return
        now = self._now()
        for path in (self.path(key, generation) for generation in generations):
            with contextlib.suppress(OSError):
                if now - path.stat().st_ctime > _FORGOTTEN_S:  # a release sets no other time
                    path.unlink()

    def _mark_released(self, key: str, generation: int) -> None:
        """Needs no room on the disk, and takes one call."""
        with contextlib.suppress(OSError):
            os.utime(self.path(key, generation), (0, 0))

    def _start_heart(self) -> None:
        with self._lock:
            if self._heart is None:
                self._heart = threading.Thread(target=self._beat, name="claims", daemon=True)
                self._heart.start()

    def _beat(self) -> None:
        """Touch what is held until nothing is; a file server that is away for a while is no reason to end. Signals are
        the main thread's: it may have blocked them for a moment."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGUSR2})
        while True:
            time.sleep(self.beat_s)
            with self._lock:
                if not self.held:
                    self._heart = None
                    return
                for key, generation in self.held.items():
                    with contextlib.suppress(OSError):
                        os.utime(self.path(key, generation))

    def _now(self) -> float:
        """The file server's time, from the only clock that heartbeats know."""
        probe = self.folder / f".now.{uuid.uuid4().hex[:12]}"
        try:
            descriptor = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            os.close(descriptor)
            os.utime(probe)
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)

    def _highest(self, key: str) -> _Claim | None:
        generation = max(self._generations(key), default=None)
        return None if generation is None else self._read(key, generation)

    def _read(self, key: str, generation: int) -> _Claim | None:
        """None if it was deleted, as the claims of a finished step are. Opening makes a network file system look
        anew."""
        try:
            with open(self.path(key, generation), "rb") as file:
                heartbeat, text = os.fstat(file.fileno()).st_mtime, file.read()
        except FileNotFoundError:
            return None
        try:
            return _Claim(generation, Owner.parse(json.loads(text)), heartbeat)
        except (ValueError, KeyError, TypeError):
            return _Claim(generation, None, heartbeat)

    def _generations(self, key: str) -> list[int]:
        return [generation for found, generation in self._names() if found == key]

    def _names(self) -> Iterable[tuple[str, int]]:
        """Key and generation of every claim file."""
        try:
            names = os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in names:
            key, _, rest = name.partition(".")
            number = rest.removesuffix(".json")
            if key and number.isdecimal():
                yield key, int(number)


def _owner_of(claim: _Claim | None) -> Owner:
    """Somebody, if the file does not say who: it is being written, or was deleted a moment ago."""
    return claim.owner if claim is not None and claim.owner is not None else Owner("?", Process(0, 0), Process(0, 0))
