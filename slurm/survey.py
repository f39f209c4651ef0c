"""Where every step was last sent, and what Slurm says of that job now."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gesturebench.slurm.packs import Place
from gesturebench.slurm.queue import Job, Sight, look
from gesturebench.slurm.submission import Submission
from gesturebench.slurm.verdict import could_not_be_launched, is_held, never_starts


class Post(NamedTuple):
    """A step's place in a submission."""

    submission: Submission
    place: Place

    @property
    def job_id(self) -> str | None:
        return self.submission.job_id(self.place)

    @property
    def is_void(self) -> bool:
        """Whether it was found never to have reached Slurm."""
        return self.submission.jobs.get(self.place.array) == ""


@dataclass(frozen=True)
class Survey:
    """One look at the cluster: the last post of each step, and the jobs."""

    posts: Mapping[str, Post] = field(default_factory=dict)
    sight: Sight = field(default_factory=Sight)
    at: float = field(default_factory=time.time)

    def job(self, key: str) -> Job | None:
        """The job that a step was last given to, if Slurm knows it."""
        post = self.posts.get(key)
        return None if post is None or post.is_void else self.sight.job(*post.place)

    def job_id(self, key: str) -> str | None:
        """Slurm's id of that job, None while unknown."""
        job = self.job(key)
        return self.posts[key].job_id if job is None else job.id

    def is_active(self, key: str) -> bool:
        """Whether its job will still run: in the queue or running, or so young that Slurm may not know it yet."""
        post, job = self.posts.get(key), self.job(key)
        if job is not None:
            return job.is_active and not never_starts(job)
        return post is not None and not post.is_void and self._is_young(post)

    def never_starts(self, key: str) -> bool:
        """Whether its job waits for what cannot come, and Slurm or a person would have to change something."""
        job = self.job(key)
        return job is not None and never_starts(job) and not could_not_be_launched(job)

    def idle_jobs(self, done: Callable[[str], bool]) -> list[str]:
        """Held jobs whose steps are all done (by key) or were given to other jobs, so that nobody misses them, while
        what waits for them waits for ever."""
        submissions = {post.submission.nonce: post.submission for post in self.posts.values()}.values()
        places = [found for submission in submissions for found in submission.places()]
        held = ((self.sight.job(*place), place, keys) for place, keys in places)
        return [
            job.id
            for job, place, keys in held
            if job is not None and is_held(job) and not any(self._is_at(key, place) and not done(key) for key in keys)
        ]

    def _is_at(self, key: str, place: Place) -> bool:
        """Whether it is for this job to do the step; so it is with those of other plans."""
        return key not in self.posts or self.posts[key].place == place

    def is_unexplained(self, key: str) -> bool:
        """Whether its job was cancelled before it began and accounting has not said yet by whom: a person's wish is to
        be respected, a job that was taken out because of another is not to be given up."""
        job = self.job(key)
        return job is not None and job.state == "CANCELLED" and not job.node and not job.is_accounted

    def _is_young(self, post: Post) -> bool:
        """Whether Slurm may not know a job yet."""
        return self.at - post.submission.created < post.submission.profile.lost_after_s

    def is_lost(self, key: str) -> bool:
        """Whether Slurm has forgotten a job that it had accepted."""
        post = self.posts.get(key)
        known = post is not None and bool(post.job_id) and self.sight.complete
        return known and self.job(key) is None and not self._is_young(post)


def survey(history: Iterable[Submission], keys: Iterable[str]) -> Survey:
    """What Slurm says of the steps with these keys; nothing is asked if none was ever submitted. The history is in
    order of time."""
    posts = last_posts(history, keys)
    concerned = {post.submission.nonce: post.submission for post in posts.values()}.values()
    names = {name for found in concerned for name in found.names() if found.jobs.get(name) != ""}
    ids = {job for found in concerned for job in found.jobs.values() if job}
    unanswered = [found for found in concerned if any(name not in found.jobs for name in found.names())]
    since = min(unanswered, key=lambda found: found.created).since if unanswered else None
    return Survey(posts, look(names, ids, since))


def last_posts(history: Iterable[Submission], keys: Iterable[str]) -> dict[str, Post]:
    """The latest place of each step; the history is in order of time."""
    wanted, found = set(keys), {}
    for submission in history:
        for place, pack in submission.places():
            found |= {key: Post(submission, place) for key in pack if key in wanted}
    return found
