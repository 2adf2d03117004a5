"""A worker runs the service's own code and stops at the point that its job names, where it may be killed.

The fork server has everything imported and forks a fresh process for each job, so that one costs milliseconds.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import structlog

import mappers.http.client
from app.ledger import names
from app.ledger.errors import LedgerError
from app.ledger.transaction import State, Transaction
from mappers.base import MapperError, Step
from mappers.deadline import Deadline
from providers.registry import Registry
from tests.faults.matrix import Operation, Point, Recovery
from tests.faults.service_driver import (
    DEADLINE_SECONDS,
    Answer,
    ServiceDriver,
    Summary,
    SweeperTask,
    Target,
    summarize,
    unfinished,
)
from tests.stored import rewrite

# What is left of a call's time where it is to run out: long enough to send.
NEARLY_UP_SECONDS = 0.4

# How long a Redis that hangs is waited for.
HANGING_SECONDS = 0.25

MOST_SWEEPS = 6


@dataclass(frozen=True)
class Reached:
    """The process is at its point, and waits to be told to go on."""


@dataclass(frozen=True)
class Started:
    process_id: int


@dataclass(frozen=True)
class Ended:
    """The process is gone; `status` as waitpid gives it."""

    status: int


@dataclass(frozen=True)
class Crashed:
    report: str


@dataclass(frozen=True)
class Attempt:
    """Make an operation's call, and stop at a point of it."""

    target: Target
    operation: Operation
    point: Point | None = None
    step: int = 0
    time_runs_out: bool = False
    redis_hangs: bool = False

    def run(self, registry: Registry, pipe: Pipe) -> Answer:
        driver = ServiceDriver(registry, self.target)
        driver.prepare(self.operation)
        StopPoint(self, driver, pipe).install()
        return driver.answer(self.operation)


@dataclass(frozen=True)
class Sweeping(Attempt):
    """Let the sweeper do a task, and stop at a point of it; `again` after one that was killed at it."""

    task: SweeperTask = SweeperTask.EXPIRE
    again: bool = False

    def run(self, registry: Registry, pipe: Pipe) -> Summary:  # type: ignore[override]
        driver = ServiceDriver(registry, self.target)
        if not self.again:
            driver.leave_to_the_sweeper(self.task)
        StopPoint(self, driver, pipe).install()
        for _ in range(MOST_SWEEPS):
            record = driver.record(self.operation)
            assert record is not None
            if record.unresolved is None and (record.state is not State.AUTHORIZED or record.captured == record.amount):
                break
            let_time_pass(driver, record, all_of_it=True)
            driver.parts.sweeper.sweep_once()
        return summarize(driver, self.operation, None)


class StopPoint:
    """Wraps Redis and the mapper of this process so that it stops at the attempt's point."""

    def __init__(self, attempt: Attempt, driver: ServiceDriver, pipe: Pipe) -> None:
        self._attempt = attempt
        self._storage: Any = driver.parts.storage
        self._mapper: Any = driver.provider.mapper
        self._client: Any = driver.parts.connection._client
        self._pipe = pipe
        self._at_step = 0
        self._time: Deadline | None = None

    def install(self) -> None:
        for name in ("open", "append"):
            self._wrap_redis(name, Point.BEFORE_INTENT, Point.AFTER_INTENT, in_step=False)
        for name in ("progress", "finish"):
            self._wrap_redis(name, Point.BEFORE_RESULT, Point.AFTER_RESULT, in_step=True)
        run, ask, get_card = self._mapper.run, self._mapper.ask, self._mapper.get_card

        def run_step(step: Step, deadline: Deadline) -> Any:
            self._at_step = len(step.earlier) + 1
            self._stop_before_the_call()
            return run(step, self._limit(deadline))

        def read_card(card_id: str, deadline: Deadline) -> Any:
            self._stop_before_the_call()
            return get_card(card_id, self._limit(deadline))

        self._mapper.run = run_step
        self._mapper.ask = lambda step, deadline: ask(step, self._limit(deadline))
        self._mapper.get_card = read_card

    def _wrap_redis(self, name: str, before: Point, after: Point, *, in_step: bool) -> None:
        method: Callable[..., Any] = getattr(self._storage, name)

        def wrapped(*arguments: Any, **named: Any) -> Any:
            self._stop_at(before, in_step=in_step)
            outcome = method(*arguments, **named)
            self._stop_at(after, in_step=in_step)
            return outcome

        setattr(self._storage, name, wrapped)

    def _stop_before_the_call(self) -> None:
        # A fault after the commit is injected by the sandbox's interceptor, which must know which call it is.
        for point in (Point.BEFORE_SEND, Point.AFTER_COMMIT):
            self._stop_at(point, in_step=True)

    def _stop_at(self, point: Point, *, in_step: bool) -> None:
        attempt = self._attempt
        if point is not attempt.point or (in_step and self._at_step != attempt.step):
            return
        self._attempt = replace(attempt, point=None)
        self._pipe.send(Reached())
        self._pipe.recv()
        if attempt.time_runs_out:
            self._time = Deadline.after(NEARLY_UP_SECONDS)
        if attempt.redis_hangs:
            for connection in self._client.connection_pool._available_connections:
                connection._sock.settimeout(HANGING_SECONDS)

    def _limit(self, deadline: Deadline) -> Deadline:
        return self._time or deadline


@dataclass(frozen=True)
class Recover:
    """Come back to an operation in a fresh process: while its last attempt's lease lasts, or after that."""

    target: Target
    operation: Operation
    recovery: Recovery
    time_has_passed: bool = True

    def run(self, registry: Registry, pipe: Pipe) -> Summary:
        driver = ServiceDriver(registry, self.target)
        answer = self._come_back(driver)
        return summarize(driver, self.operation, answer) if self.time_has_passed else Summary(answer)

    def _come_back(self, driver: ServiceDriver) -> Answer | None:
        match self.recovery:
            case Recovery.RETRY:
                self._let_time_pass(driver)
                return driver.answer(self.operation)
            case Recovery.READ:
                self._let_time_pass(driver)
                return self._read(driver)
            case Recovery.SWEEP:
                self._sweep(driver)
                return None
            case Recovery.LATE:
                self._sweep(driver)
                return driver.answer(self.operation) if self.time_has_passed else None

    def _read(self, driver: ServiceDriver) -> Answer:
        ledger, provider = driver.parts.ledger, driver.provider
        read = ledger.settlements if self.operation is Operation.SETTLE else ledger.cancellations
        transaction_id = driver.transaction_id(self.operation)
        try:
            read(provider, driver.card, transaction_id, Deadline.after(DEADLINE_SECONDS))
        except (MapperError, LedgerError) as error:
            return Answer(None, f"{type(error).__name__}: {error}")
        return Answer(transaction_id)

    def _sweep(self, driver: ServiceDriver) -> None:
        for _ in range(MOST_SWEEPS if self.time_has_passed else 1):
            if not unfinished(driver.record(self.operation)):
                return
            self._let_time_pass(driver)
            driver.parts.sweeper.sweep_once()

    def _let_time_pass(self, driver: ServiceDriver) -> None:
        """Let the pause of a retry be over, and, where time has passed, the lease with what was sent under it."""
        record = driver.record(self.operation)
        if record is not None and unfinished(record):
            let_time_pass(driver, record, all_of_it=self.time_has_passed)


def let_time_pass(driver: ServiceDriver, record: Transaction, *, all_of_it: bool) -> None:
    """Let a transaction be due; with all of its time, what was sent for it has arrived."""
    client: Any = driver.parts.connection._client
    tag = f"gb:{{b{names.bucket_of_transaction(record.id):03d}}}"
    if all_of_it:
        rewrite(client, record.id, lease_until=1, in_flight_until=0, retry_at=0)
    client.zadd(f"{tag}:due", {record.id: 0})


def serve(pipe: Pipe, providers: Path) -> None:
    """Fork a process for each job that comes, until no more can come."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    # So that a call with that little time left is sent.
    mappers.http.client.MINIMUM_WRITE_SECONDS = NEARLY_UP_SECONDS / 10
    registry = Registry.load(providers)
    gc.freeze()
    while True:
        try:
            job = pipe.recv()
        except (EOFError, ConnectionError):
            return
        process_id = os.fork()
        if process_id:
            _, status = os.waitpid(process_id, 0)
            pipe.send(Ended(status))
            continue
        pipe.send(Started(os.getpid()))
        try:
            pipe.send(job.run(registry, pipe))
        except BaseException:  # noqa: BLE001 - the report is the result, and nothing may run on in the fork
            pipe.send(Crashed(traceback.format_exc()))
        os._exit(0)


if __name__ == "__main__":
    # A job is unpickled as this module's own classes, not as those of __main__.
    from tests.faults import worker

    worker.serve(Pipe(int(sys.argv[1])), Path(sys.argv[2]))
