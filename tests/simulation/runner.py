"""The runner of many schedules: several processes that run batches of them, and a progress bar."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import redis

from app.server.embedded import EmbeddedRedis
from tests.simulation.hazards.table import HAZARDS
from tests.simulation.kinds import KINDS
from tests.simulation.schedule import Violation, first_violation
from tests.simulation.system import build_system

BATCH = 50
DATABASES = 16  # of one Redis; each process has one to itself
BAR_WIDTH = 40

# A kind, the hazards it meets, and the seeds to run of it.
Batch = tuple[str, tuple[str, ...], range]


@contextmanager
def running_redis() -> Iterator[str]:
    """Start a Redis for schedules only: it need not survive anything, so it does not wait for the disk."""
    with tempfile.TemporaryDirectory(prefix="simulation-") as directory, EmbeddedRedis(Path(directory)) as storage:
        with redis.Redis.from_url(storage.url) as client:
            client.config_set("appendonly", "no")
        yield storage.url


def run_schedules(
    kinds: Sequence[str], start: int, schedules: int, processes: int, hazards: Sequence[str] = ()
) -> Violation | None:
    """Run schedules of each kind in turn; stop at the first that breaks something, and return it."""
    processes = min(processes, DATABASES)
    progress = Progress(schedules)
    context = multiprocessing.get_context("spawn")
    urls: SimpleQueue[str] = context.SimpleQueue()
    with running_redis() as url, context.Pool(processes, _take_redis_url, (urls,)) as pool:
        for number in range(processes):
            urls.put(f"{url}?db={number}")
        for done, violation in pool.imap_unordered(_run_batch, _batches(kinds, start, schedules, tuple(hazards))):
            progress.add(done)
            if violation is not None:
                break
        progress.end()
    return violation


class Progress:
    """A bar on stderr, with what is left of the work and of the time."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._started = time.monotonic()

    def add(self, done: int) -> None:
        self._done += done
        rate = self._done / max(time.monotonic() - self._started, 0.001)
        filled = BAR_WIDTH * self._done // self._total
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        minutes = (self._total - self._done) / rate / 60 if rate else 0
        sys.stderr.write(f"\r[{bar}] {self._done}/{self._total}  {rate:.0f}/s  {minutes:.0f} min left ")
        sys.stderr.flush()

    def end(self) -> None:
        sys.stderr.write("\n")


def _batches(kinds: Sequence[str], start: int, schedules: int, hazards: tuple[str, ...]) -> Iterator[Batch]:
    left = schedules
    for first in count(start, BATCH):
        for kind in kinds:
            if left <= 0:
                return
            yield kind, hazards, range(first, first + min(BATCH, left))
            left -= BATCH


def _run_batch(batch: Batch) -> tuple[int, Violation | None]:
    kind, hazards, seeds = batch
    with build_system(KINDS[kind], _redis_url[0], hazards=[HAZARDS[name] for name in hazards]) as system:
        return len(seeds), first_violation(system, seeds)


# The Redis database of this process of the pool.
_redis_url: list[str] = []


def _take_redis_url(urls: SimpleQueue[str]) -> None:
    _redis_url.append(urls.get())
