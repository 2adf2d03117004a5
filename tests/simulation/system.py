"""The system under simulation: the real service, sweepers and scripts, in virtual time, before a model backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType
from typing import Any, NoReturn, ParamSpec, TypeVar
from unittest import mock

import redis
import structlog

from app.ledger import names
from app.ledger.clock import ClockWatch
from app.ledger.errors import LedgerUnavailable
from app.ledger.executor import Executor
from app.ledger.recovery import Recovery
from app.ledger.service import LedgerService
from app.ledger.storage import keys
from app.ledger.storage.connection import Fleet
from app.ledger.storage.index import Index
from app.ledger.storage.intents import LedgerTimes
from app.ledger.storage.storage import Storage
from app.ledger.sweeper import Sweeper
from app.ledger.transaction import ActState, Operation, State, Transaction
from mappers import deadline
from mappers.base import Holds
from providers.provider import Policy, Provider
from tests.simulation.backend_model import BRL, BackendModel
from tests.simulation.faults import LEASE_SECONDS, MONEY_DEADLINE_SECONDS
from tests.simulation.invariant_checker import InvariantChecker
from tests.simulation.kinds import Kind, SimulatedHttp, build
from tests.simulation.mutants import StorageWithoutIntents, check, executor_module, mapper_class, scripts
from tests.simulation.safeties import Safety
from tests.simulation.scheduler import Crashed, Scheduler
from tests.simulation.transport import Environment, SimulatedConnection, VirtualClock
from tests.simulation.workload import Workload

Parameters = ParamSpec("Parameters")
T = TypeVar("T")

PROVIDER = "sim"
SWEEP_INTERVAL_MS = 5_000
TIMES = LedgerTimes(lease=timedelta(seconds=LEASE_SECONDS))
POLICY_TTL = timedelta(days=3)

# Passes of the sweeper after which everything must be resolved.
MAXIMUM_PASSES = 300


class OneAfterTheOther(futures.Executor):
    """Runs what is submitted at once: it is the scheduler that lets others move meanwhile."""

    def __init__(self, _threads: int) -> None:
        pass

    def submit(
        self, call: Callable[Parameters, T], /, *arguments: Parameters.args, **named: Parameters.kwargs
    ) -> futures.Future[T]:
        done: futures.Future[T] = futures.Future()
        try:
            done.set_result(call(*arguments, **named))
        except Exception as error:  # noqa: BLE001 - the future keeps it
            done.set_exception(error)
        return done


class OneProvider:
    """A registry of one."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    def get(self, provider_id: str) -> Provider | None:
        return self.provider


@dataclass
class System:
    """Everything of one kind; `reset` begins a schedule with an empty Redis, a new backend and faults of its own."""

    kind: Kind
    client: redis.Redis
    environment: Environment
    storage: Storage
    executor: Executor
    ledger: LedgerService
    provider: Provider
    sweepers: list[Sweeper]
    http: SimulatedHttp
    workload: Workload
    checker: InvariantChecker
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def scheduler(self) -> Scheduler:
        return self.environment.scheduler

    @property
    def backend(self) -> BackendModel:
        return self.http.backend

    def reset(self, seed: int) -> None:
        self.client.flushdb()
        self.environment.reset(seed)
        self.http.backend = self.kind.backend(self.environment)
        accepts = self.kind.holds is Holds.NATIVE and self.scheduler.rng.random() < 0.3
        object.__setattr__(self.provider.policy, "settle", "accept" if accepts else "capture")
        self.workload = Workload(self.environment, self.ledger, self.provider, self.backend, self.kind)
        self.checker.reset(self.backend)

    def run(self) -> None:
        """Run a schedule until every actor is done."""
        self.workload.start()
        for number in range(len(self.sweepers)):
            self._start_sweeper(number, 1)
        self.scheduler.run()

    # Everything on record, read by the harness itself.

    @property
    def redis(self) -> Any:
        """The client, whose own types leave open whether its answers are decoded."""
        return self.client

    def records(self) -> list[Transaction]:
        buckets = [self.redis.zrange(keys.in_bucket(bucket, "all"), 0, -1) for bucket in range(names.BUCKETS)]
        return self.storage.load_many([identity for bucket in buckets for identity in bucket])

    def due(self) -> dict[str, float]:
        """Return when somebody must look at each transaction, in milliseconds."""
        buckets = range(names.BUCKETS)
        everything = [keys.in_bucket(bucket, queue) for bucket in buckets for queue in ("due", "over")]
        queues = [self.redis.zrange(key, 0, -1, withscores=True) for key in everything]
        return {identity: score for queue in queues for identity, score in queue}

    def events(self) -> set[str]:
        """Return what happened to the transactions on record."""
        return {event["what"] for record in self.records() for event in self.storage.events(record.id)}

    # Resolving everything, without any more faults.

    def resolve_everything(self) -> bool:
        """Sweep until nothing is unresolved but what is parked, and nobody's authorization is undone; tell whether."""
        return self._sweep_while(_unfinished)

    def expire_everything(self) -> bool:
        """Sweep until nothing is reserved any more; tell whether."""
        return self._sweep_while(lambda record: _unfinished(record) or _reserves(record))

    def _sweep_while(self, waits: Callable[[Transaction], bool]) -> bool:
        for _ in range(MAXIMUM_PASSES):
            waiting = {record.id for record in self.records() if waits(record)}
            if not waiting:
                return True
            due = self.due()
            moments = [due[identity] for identity in waiting if identity in due]
            if not moments:
                return False
            self.scheduler.now = max(self.scheduler.now + SWEEP_INTERVAL_MS, int(min(moments)))
            self.backend.catch_up()
            self.counts.update(self.sweepers[0].sweep_once().counts)
        return False

    # Sweepers.

    def _start_sweeper(self, number: int, life: int) -> None:
        name = f"sweeper {number}.{life}"
        self.scheduler.spawn(name, lambda: self._sweep(number, life), SWEEP_INTERVAL_MS, counts=False)

    def _sweep(self, number: int, life: int) -> None:
        while self.scheduler.active:
            try:
                self.counts.update(self.sweepers[number].sweep_once().counts)
            except LedgerUnavailable:
                pass
            except Crashed:
                self._start_sweeper(number, life + 1)
                raise
            self.scheduler.sleep(self._until_something_may_be_due(), idle=True)

    def _until_something_may_be_due(self) -> int:
        """Skip the passes that would find nothing: those before anybody moves and anything is due."""
        scheduler = self.scheduler
        moves = scheduler.next_move()
        moments = [*self.due().values(), *([moves] if moves else [])]
        return max(0, int(min(moments, default=scheduler.now)) - scheduler.now) + scheduler.rng.randrange(
            SWEEP_INTERVAL_MS
        )


def _unfinished(record: Transaction) -> bool:
    act = record.unresolved_act
    if act is not None:
        return act.state is not ActState.PARKED
    return record.state is State.AUTHORIZED and not record.acknowledged


def _reserves(record: Transaction) -> bool:
    return record.unresolved is None and record.state is State.AUTHORIZED and record.operation is Operation.DEBIT


def _drop(*_event: object) -> NoReturn:
    raise structlog.DropEvent


@contextmanager
def virtual_time(environment: Environment, executor: ModuleType) -> Iterator[None]:
    """Give deadlines the scheduler's time, and let the service be quiet and look less often while it waits."""
    silent = structlog.wrap_logger(structlog.ReturnLogger(), processors=[_drop])
    with (
        mock.patch.object(deadline, "time", VirtualClock(environment)),
        mock.patch.object(names, "BUCKETS", 1),
        mock.patch.object(executor, "LONGEST_PAUSE_SECONDS", 3),
        mock.patch.dict(executor.Attempt.run.__globals__, log=silent),
        mock.patch("app.ledger.lost_answers.log", silent),
        mock.patch("app.ledger.sweeper.log", silent),
        mock.patch("app.ledger.recovery.log", silent),
    ):
        yield


@contextmanager
def build_system(kind: Kind, url: str, without: Safety | None = None, *, bounded: bool = True) -> Iterator[System]:
    """Build the system of one kind on a Redis of its own, all of it or without one safety. One at a time.

    `bounded`: whether the backend keeps the stated bounds.
    """
    if without:
        check(without)
    environment = Environment(Scheduler(), bounded=bounded)
    client = redis.Redis.from_url(url, decode_responses=True, single_connection_client=True)
    connection = SimulatedConnection(client, environment, scripts(without))
    module = executor_module(without)
    storage = (
        StorageWithoutIntents(client, connection, TIMES)
        if without and not without.edits
        else Storage(connection, TIMES)
    )
    index = Index(connection)
    mapper, http = build(kind, mapper_class(kind.mapper, without), environment)
    http.backend = kind.backend(environment)
    policy = Policy(kind.holds, authorization_ttl=POLICY_TTL, remainder_ttl=POLICY_TTL)
    provider = Provider(PROVIDER, "Simulated", BRL, mapper, (), policy)
    executor: Executor = module.Executor(storage, sleep=environment.sleep)
    ledger = LedgerService(storage, index, executor, Recovery(storage))
    sweepers = [
        Sweeper(
            storage,
            index,
            Fleet(connection),
            ClockWatch(connection, machine=environment.monotonic, steady=environment.monotonic),
            executor,
            OneProvider(provider),  # type: ignore[arg-type]
            interval_seconds=SWEEP_INTERVAL_MS / 1000,
            deadline_seconds=MONEY_DEADLINE_SECONDS,
            make_pool=OneAfterTheOther,
        )
        for _ in range(2)
    ]
    workload = Workload(environment, ledger, provider, http.backend, kind)
    checker = InvariantChecker(kind, client, environment)
    with virtual_time(environment, module), client:
        yield System(kind, client, environment, storage, executor, ledger, provider, sweepers, http, workload, checker)
