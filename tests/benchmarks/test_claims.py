"""Claims: never two owners, whoever dies, sleeps or has a wrong clock."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from gesturebench.benchmarks import claims as module
from gesturebench.benchmarks.claims import STALE_S, Claims
from gesturebench.benchmarks.owner import Owner, Process, SlurmJob, this_host
from gesturebench.common.errors import InputError

RACER = """
    import os, sys, time
    from pathlib import Path
    from gesturebench.benchmarks.claims import Claims

    runs, log, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    claims = Claims(runs)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number in range(rounds):
        while claims.take("k") is not None:
            pass
        os.write(out, f"+{os.getpid()}\\n".encode())
        if len(sys.argv) > 4 and number == rounds // 2:
            os.kill(os.getpid(), 9)
        os.write(out, f"-{os.getpid()}\\n".encode())
        claims.release("k")
"""


def race(folder: Path, racers: int, rounds: int, *options: str) -> list[str]:
    """What the processes wrote, in order: +pid when one became the owner, -pid just before it ceased to be."""
    script = folder / "racer.py"
    script.write_text(textwrap.dedent(RACER))
    words = [sys.executable, str(script), str(folder), str(folder / "log"), str(rounds), *options]
    processes = [subprocess.Popen(words) for _ in range(racers)]
    for process in processes:
        process.wait(60)
    return (folder / "log").read_text().split()


def dead() -> Process:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return Process(process.pid, 1)


def foreign(claims: Claims, key: str, age_s: float = 0.0, generation: int = 1, **changes) -> Path:
    """A claim of another host, whose last heartbeat is so old by the file server's clock."""
    claims.folder.mkdir(exist_ok=True)
    path = claims.path(key, generation)
    path.write_text(json.dumps(asdict(replace(Owner.this(), **{"host": "elsewhere/1/1"} | changes))))
    now = path.stat().st_mtime
    os.utime(path, (now - age_s, now - age_s))
    return path


def test_many_processes_racing_for_one_claim_own_it_one_after_the_other(tmp_path):
    said = race(tmp_path, racers=6, rounds=40)
    assert len(said) == 2 * 6 * 40
    for taken, left in zip(said[::2], said[1::2], strict=True):
        assert taken[0] == "+"
        assert left == f"-{taken[1:]}"


def test_owners_that_are_killed_are_replaced_by_one_each(tmp_path):
    """Every racer dies as the owner of its sixth claim; the others fight for what it leaves."""
    said = race(tmp_path, 5, 11, "die")
    assert sum(line[0] == "+" for line in said) == 5 * 6
    for place, line in enumerate(said[:-1]):
        follower, rest = said[place + 1], said[place + 1 :]
        if line[0] == "-":
            assert follower[0] == "+"
        else:
            assert follower == f"-{line[1:]}" or not any(word[1:] == line[1:] for word in rest)
    assert Claims(tmp_path).holder("k") is None


def test_a_claim_has_one_owner_and_is_free_again_after_release(tmp_path):
    mine, other = Claims(tmp_path), Claims(tmp_path)
    assert mine.take("k") is None
    assert other.take("k").runner.pid == os.getpid()
    assert mine.holder("k") == other.holder("k") == Owner.this()
    mine.release("k")
    assert other.holder("k") is None
    assert other.take("k") is None
    assert [p.name for p in sorted(mine.folder.iterdir())] == ["k.1.json", "k.2.json"]


def test_releasing_what_is_not_ours_changes_nothing(tmp_path):
    mine, other = Claims(tmp_path), Claims(tmp_path)
    mine.take("k")
    other.release("k")
    assert mine.holder("k") is not None


def test_the_dead_of_this_host_are_replaced_at_once(tmp_path):
    claims = Claims(tmp_path)
    foreign(claims, "k", host=this_host(), runner=dead(), worker=dead())
    assert claims.holder("k") is None
    assert claims.take("k") is None
    assert claims.held == {"k": 2}


def test_a_claim_of_a_reused_process_number_is_dead(tmp_path):
    claims = Claims(tmp_path)
    late = Process(os.getpid(), Process.of(os.getpid()).started - 1)
    foreign(claims, "k", host=this_host(), runner=late, worker=late)
    assert claims.holder("k") is None


def test_a_worker_that_outlives_its_runner_still_owns(tmp_path):
    claims = Claims(tmp_path)
    foreign(claims, "k", host=this_host(), runner=dead())
    assert claims.take("k") is not None


def test_another_host_is_believed_while_its_heart_beats(tmp_path):
    claims = Claims(tmp_path)
    foreign(claims, "young", age_s=STALE_S - 20)
    foreign(claims, "old", age_s=STALE_S + 20)
    assert claims.take("young").host == "elsewhere/1/1"
    assert claims.take("old") is None
    assert claims.living().keys() == {"young", "old"}
    assert claims.living()["old"] == Owner.this()


def test_no_clock_of_ours_decides(tmp_path, monkeypatch):
    """Heartbeats are dated by the file server, which may live in another time than we do."""
    claims = Claims(tmp_path)
    foreign(claims, "young")
    foreign(claims, "old", age_s=STALE_S + 20)
    monkeypatch.setattr(module.time, "time", lambda: 0.0)
    assert claims.take("old") is None
    monkeypatch.setattr(module.time, "time", lambda: 4e9)
    assert claims.take("young") is not None


def test_a_server_that_lives_in_the_past_is_compared_with_itself(tmp_path, monkeypatch):
    """Every time it gives, a probe's too, is an hour behind ours."""
    claims, server_now = Claims(tmp_path), time.time() - 3600
    foreign(claims, "young", age_s=3600 + 5)
    foreign(claims, "old", age_s=3600 + STALE_S + 20)
    monkeypatch.setattr(claims, "_now", lambda: server_now)
    assert claims.take("young") is not None
    assert claims.take("old") is None


def test_the_heart_beats_while_a_claim_is_held_and_not_after(tmp_path):
    claims = Claims(tmp_path, beat_s=0.02)
    claims.take("k")
    path = claims.path("k")
    os.utime(path, (1000, 1000))
    end = time.monotonic() + 20
    while path.stat().st_mtime == 1000:
        assert time.monotonic() < end
        time.sleep(0.01)
    claims.release("k")
    time.sleep(0.1)
    assert path.stat().st_mtime == 0
    assert claims._heart is None or not claims._heart.is_alive()
    assert claims.take("j") is None  # and it beats again for the next
    assert claims._heart.is_alive()
    claims.close()


def test_a_claim_that_was_taken_over_is_noticed(tmp_path):
    claims = Claims(tmp_path)
    claims.take("a")
    claims.take("b")
    foreign(claims, "a", generation=2)
    assert claims.lost() == ["a"]
    claims.path("b").unlink()
    assert claims.lost() == ["a", "b"]


def test_whoever_creates_an_older_generation_than_there_is_steps_back(tmp_path, monkeypatch):
    """Its listing was old: generation 2 was taken and tidied away by the owner of 3 in the meantime."""
    claims = Claims(tmp_path)
    foreign(claims, "k", age_s=STALE_S + 20)
    foreign(claims, "k", generation=3)
    whole, calls = claims._generations, []

    def old_listing_first(key: str) -> list[int]:
        calls.append(key)
        return [1] if len(calls) == 1 else whole(key)

    monkeypatch.setattr(claims, "_generations", old_listing_first)
    assert claims.take("k").host == "elsewhere/1/1"
    assert claims.held == {}
    assert claims.path("k", 2).stat().st_mtime == 0


def test_a_file_that_says_nothing_is_believed_until_it_is_old(tmp_path):
    """Its writer is about to write, or died before it did."""
    claims = Claims(tmp_path)
    claims.folder.mkdir()
    path = claims.path("k", 1)
    path.write_text('{"host": ')
    assert claims.take("k") is not None
    old = path.stat().st_mtime - STALE_S - 20
    os.utime(path, (old, old))
    assert claims.take("k") is None


def test_the_claims_of_a_finished_step_go_away(tmp_path):
    claims = Claims(tmp_path)
    for key in ("k", "k", "j"):
        claims.take(key)
        claims.release(key)
    claims.take("k")
    claims.forget("k")
    assert [path.name for path in claims.folder.iterdir()] == ["j.1.json"]
    assert claims.held == {}


def test_what_is_taken_again_and_again_leaves_two_files(tmp_path, monkeypatch):
    claims = Claims(tmp_path)

    def take_often() -> set[str]:
        for _ in range(5):
            assert claims.take("k") is None
            claims.release("k")
        return {path.name for path in claims.folder.iterdir()}

    assert len(take_often()) == 5  # somebody may still have an old listing
    monkeypatch.setattr(module, "_FORGOTTEN_S", -1.0)
    assert take_often() == {"k.9.json", "k.10.json"}


def test_whoever_has_a_very_old_listing_gives_way(tmp_path, monkeypatch):
    """Its names are free again, but the owner's generation is higher."""
    monkeypatch.setattr(module, "_FORGOTTEN_S", -1.0)
    owner, late = Claims(tmp_path), Claims(tmp_path)
    for _ in range(4):
        owner.release("k")
        assert owner.take("k") is None
    listings = iter([[1, 2], [1, 2, 3, 4]])
    monkeypatch.setattr(late, "_generations", lambda key: next(listings, [1, 3, 4]))
    assert late.take("k").runner.pid == os.getpid()
    assert late.held == {}
    assert owner.lost() == []
    owner.close()


def test_a_full_disk_leaves_no_claim_behind(tmp_path, monkeypatch):
    claims, write = Claims(tmp_path), os.write

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "write", full)
    with pytest.raises(InputError, match="the disk is full; free some space"):
        claims.take("k")
    monkeypatch.setattr(module.os, "write", write)
    assert claims.holder("k") is None
    assert claims.take("k") is None


def test_looking_never_writes(tmp_path):
    claims = Claims(tmp_path)
    assert claims.holder("k") is None
    assert claims.living() == {}
    assert list(tmp_path.iterdir()) == []


def test_a_zombie_is_not_alive():
    """A killed worker whose parent is gone may stay a zombie for ever in a container without an init."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    process = Process.of(child.pid)
    assert process.is_alive()
    os.kill(child.pid, signal.SIGKILL)
    end = time.monotonic() + 20
    while process.is_alive():
        assert time.monotonic() < end
    child.wait()


def test_an_owner_is_named_by_its_job_as_people_write_it():
    variables = {"SLURM_JOB_ID": "17", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3", "SLURMD_NODENAME": "n2"}
    job = SlurmJob.of(variables | {"SLURM_RESTART_COUNT": "2"})
    assert job == SlurmJob("12_3", "n2", 2)
    assert SlurmJob.of({"SLURM_JOB_ID": "17"}) == SlurmJob("17", None, 0)
    assert SlurmJob.of({}) is None
    owner = replace(Owner.this(), job=job.id, node=job.node)
    assert str(owner) == "job 12_3 on n2"
    assert Owner.parse(json.loads(json.dumps(asdict(owner)))) == owner
