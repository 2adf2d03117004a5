"""The system under simulation: the real parts, in virtual time, before a model backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar
from unittest import mock

import redis
import structlog

from app import parts as wiring
from app.ledger import executor, names, searches
from app.ledger.clock import ClockWatch
from app.ledger.errors import LedgerUnavailable
from app.ledger.milliseconds import milliseconds
from app.ledger.refusals import Refusals
from app.ledger.reservations import is_reserved_here
from app.ledger.service import LedgerService
from app.ledger.storage import keys
from app.ledger.storage.connection import Connection
from app.ledger.storage.history import History
from app.ledger.storage.storage import Storage
from app.ledger.sweeper import Sweeper
from app.ledger.transaction import ActState, Operation, State, Transaction
from app.parts import Parts
from app.settings import Settings
from mappers.base import Holds, Mapper
from mappers.money import Currency
from providers.provider import Policy, Provider
from providers.registry import Registry
from tests.one_bucket import one_bucket
from tests.simulation import clocks
from tests.simulation.backend_model import BRL, BackendModel
from tests.simulation.invariant_checker import InvariantChecker
from tests.simulation.invariants import Snapshot
from tests.simulation.kinds import Kind, build
from tests.simulation.mutants import StorageWithoutIntents, applied, check, scripts
from tests.simulation.safeties import Safety
from tests.simulation.scheduler import Crashed, Scheduler
from tests.simulation.shoppers import SimulatedFuture
from tests.simulation.sockets import SimulatedServer, simulated_sockets
from tests.simulation.transport import Environment, SimulatedConnection, VirtualClock, virtual_date, virtual_datetime
from tests.simulation.workload import Workload

if TYPE_CHECKING:
    from tests.simulation.hazards.hazard import Hazard

Parameters = ParamSpec("Parameters")
T = TypeVar("T")

PROVIDER = "sim"
SWEEP_INTERVAL_MS = 5_000
POLICY_TTL = timedelta(days=3)

# Passes of the sweeper after which everything must be resolved.
MAXIMUM_PASSES = 300

# Two processes, each with a sweeper.
PROCESSES = 2


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


class SimulatedRegistry(Registry):
    """The providers file, which somebody may change at any moment."""

    def serve(self, *providers: Provider) -> None:
        """Have these providers from now on, and no other."""
        super().__init__(providers)


@dataclass
class System:
    """Everything of one kind; `reset` begins a schedule with an empty Redis, a new backend and faults of its own."""

    kind: Kind
    client: redis.Redis
    environment: Environment
    registry: SimulatedRegistry
    processes: Sequence[Parts]
    checker: InvariantChecker
    bytes_client: redis.Redis  # of the same Redis, for what is no text
    played: Sequence[type[Hazard]] = ()
    counts: Counter[str] = field(default_factory=Counter)
    hazards: list[Hazard] = field(default_factory=list)  # of this schedule

    def __post_init__(self) -> None:
        self.reset(0)

    @property
    def scheduler(self) -> Scheduler:
        return self.environment.scheduler

    @property
    def backend(self) -> BackendModel:
        return self.server.backend

    @property
    def parts(self) -> Parts:
        return self.processes[0]

    @property
    def storage(self) -> Storage:
        return self.parts.storage

    @property
    def ledger(self) -> LedgerService:
        return self.parts.ledger

    @property
    def sweepers(self) -> list[Sweeper]:
        return [parts.sweeper for parts in self.processes]

    @property
    def provider(self) -> Provider:
        found = self.registry.get(PROVIDER)
        assert found is not None
        return found

    def reset(self, seed: int) -> None:
        self.client.flushdb()
        self.environment.reset(seed)
        self.server = SimulatedServer(self.environment)
        self.server.backend = self.kind.backend(self.environment)
        self.mapper = build(PROVIDER, self.kind, self.server)  # its client has no connection yet, and no open breaker
        self.sweeping = PROCESSES
        self.forget_looks()
        for parts in self.processes:
            parts.storage._paces.clear()  # each schedule begins at the same moment
            parts.clock.look()
        self.processes[1].sweeper._history = self.parts.history  # as if one of them led: two may doubt each other
        accepts = self.kind.holds is Holds.NATIVE and self.scheduler.rng.random() < 0.3
        self.policy = Policy(
            self.kind.holds,
            authorization_ttl=POLICY_TTL,
            remainder_ttl=POLICY_TTL,
            settle="accept" if accepts else "capture",
        )
        self.registry.serve(self.provider_with(self.mapper))
        self.workload = Workload(self.environment, self.ledger, self.registry, self.backend, self.kind, [PROVIDER])
        self.checker.reset(self.backend, {rule for hazard in self.played for rule in hazard.waived})
        self.parts.history.look()  # the ledger was there long before
        self.hazards = [hazard(self) for hazard in self.played]

    def forget_looks(self) -> None:
        """Let each process be as one that has not looked yet whether Redis has forgotten something."""
        for parts in self.processes:
            vars(parts.history).update(vars(History(parts.connection)))

    def change_policy(self, **changed: Any) -> None:
        """Let the file say something else from now on."""
        self.policy = replace(self.policy, **changed)
        self.registry.serve(*(replace(provider, policy=self.policy) for provider in self.registry.all()))

    def provider_with(
        self, mapper: Mapper, *, name: str = PROVIDER, currency: Currency = BRL, policy: Policy | None = None
    ) -> Provider:
        """Return a provider as the file would describe it."""
        return Provider(name, "Simulated", currency, mapper, (), policy or self.policy)

    def history_changes(self, *, took_over: bool) -> None:
        """Let everybody know that Redis is another one now, or began anew."""
        self.environment.history += 1
        self.environment.took_over = took_over
        self.environment.history_began = self.scheduler.now
        with self.harness():
            self.checker.begin_anew(self.records(), self.due())

    @contextmanager
    def harness(self) -> Iterator[None]:
        """Let the harness itself ask Redis, in the middle of a schedule: that takes no time and never fails."""
        actor, self.scheduler.current = self.scheduler.current, None
        yield
        self.scheduler.current = actor

    def run(self) -> None:
        """Run a schedule until every actor is done."""
        self.workload.start()
        for number in range(self.sweeping):
            self._start_sweeper(number, 1)
        for hazard in self.hazards:
            hazard.start()
        self.scheduler.run()

    # Everything on record, read by the harness itself.

    @property
    def redis(self) -> Any:
        """The client, whose own types leave open whether its answers are decoded."""
        return self.client

    def records(self) -> list[Transaction]:
        buckets = range(names.BUCKETS)
        rows = [(bucket, row) for bucket in buckets for row in self.redis.zrange(keys.in_bucket(bucket, "all"), 0, -1)]
        return self.storage.load_many([keys.in_full(bucket, row) for bucket, row in rows])

    def due(self) -> dict[str, float]:
        """Return when somebody must look at each transaction, in milliseconds."""
        buckets = range(names.BUCKETS)
        everything = [keys.in_bucket(bucket, queue) for bucket in buckets for queue in ("due", "over")]
        queues = [self.redis.zrange(key, 0, -1, withscores=True) for key in everything]
        return {identity: score for queue in queues for identity, score in queue} | self._packed()

    def _packed(self) -> dict[str, float]:
        """Return when each packed transaction is forgotten, in milliseconds."""
        lists = [
            (bucket, self.redis.lrange(keys.in_bucket(bucket, "packed"), 0, -1)) for bucket in range(names.BUCKETS)
        ]
        read = [keys.read_packed_row(bucket, row) for bucket, rows in lists for row in rows]
        return {identity: since + milliseconds(self.storage.retention) for since, identity in read}

    def snapshot(self) -> Snapshot:
        """Take everything there is to compare, at this moment."""
        workload, cards, totals = self.workload, self.checker.cards(), self.checker.totals()
        told, asked = workload.answers, workload.asked
        return Snapshot(self.kind, self.records(), self.due(), cards, self.backend, told, asked, totals)

    def events(self) -> set[str]:
        """Return what happened to the transactions on record."""
        return {event["what"] for record in self.records() for event in self.storage.events(record.id)}

    # Resolving everything, without any more faults.

    def resolve_everything(self) -> bool:
        """Sweep until nothing is unresolved but what is parked, and nobody's authorization is undone; tell whether."""
        return self._sweep_while(self._unfinished)

    def expire_everything(self) -> bool:
        """Sweep until nothing is reserved any more; tell whether."""
        return self._sweep_while(lambda record: self._unfinished(record) or self._reserves(record))

    def _unfinished(self, record: Transaction) -> bool:
        return _unfinished(record) and not self._stays(record)

    def _reserves(self, record: Transaction) -> bool:
        """Tell whether the policy will still give back what a transaction holds."""
        held = record.unresolved is None and record.state is State.AUTHORIZED and record.operation is Operation.DEBIT
        return held and not self._stays(record)

    def _stays(self, record: Transaction) -> bool:
        """Tell whether something may keep the ledger from giving back what it would.

        Without a hazard that is only what was added to a card and is spent elsewhere, or a card that is suspended.
        """
        refused = any(act.state is ActState.REFUSED and not act.asked_for for act in record.acts)
        if not self.hazards:
            spent = record.operation is Operation.CREDIT or self.backend.refused_payments
            return record.unresolved is None and refused and spent
        doubts = self.parts.history.doubts()
        if (act := record.unresolved_act) is not None:
            unsafe = not self.mapper.repeatable or is_reserved_here(record, act)
            return unsafe and any(doubt.may_have_forgotten(act) for doubt in doubts)
        doubted = any(doubt.concerns(record) for doubt in doubts)
        for_good = any(hazard.is_held_for_good(record) for hazard in self.hazards)
        return refused or doubted or for_good

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


def _drop(*_event: object) -> NoReturn:
    raise structlog.DropEvent


class RefusalsWithoutMemory(Refusals):
    """Writes each refusal down: what it remembers would let a schedule depend on the ones before it."""

    def _is_repeated(self, subject: int) -> bool:
        return False


@contextmanager
def virtual_time(environment: Environment) -> Iterator[None]:
    """Give every clock the scheduler's time; let the service be quiet, and look less often while it waits."""
    before = structlog.get_config()
    with (
        clocks.replaced(
            time=VirtualClock(environment), datetime=virtual_datetime(environment), date=virtual_date(environment)
        ),
        one_bucket(),
        mock.patch.object(executor, "LONGEST_PAUSE_SECONDS", 3),
        mock.patch.object(searches, "Future", partial(SimulatedFuture, environment)),
    ):
        structlog.configure(processors=[_drop])
        try:
            yield
        finally:
            structlog.configure(**before)


@contextmanager
def build_system(
    kind: Kind,
    url: str,
    without: Safety | None = None,
    *,
    bounded: bool = True,
    hazards: Sequence[type[Hazard]] = (),
) -> Iterator[System]:
    """Build the system of one kind on a Redis of its own, all of it or without one safety. One at a time.

    `bounded`: whether the backend keeps the stated bounds.
    """
    if without:
        check(without)
    environment = Environment(Scheduler(), bounded=bounded)
    client = redis.Redis.from_url(
        url, decode_responses=True, encoding_errors="surrogateescape", single_connection_client=True
    )
    connection = SimulatedConnection(client, environment, scripts(without))
    registry = SimulatedRegistry([])
    settings = Settings(**{name: value for hazard in hazards for name, value in hazard.settings.items()})
    clock = partial(ClockWatch, machine=environment.monotonic, steady=environment.monotonic)
    storage = partial(StorageWithoutIntents, client) if without and not without.edits else Storage
    with (
        applied(without),
        virtual_time(environment),
        simulated_sockets(environment),
        mock.patch.object(Connection, "to", return_value=connection),
        mock.patch.object(wiring, "Storage", storage),
        mock.patch.object(wiring, "Executor", partial(executor.Executor, sleep=environment.sleep)),
        mock.patch.object(wiring, "Sweeper", partial(Sweeper, make_pool=OneAfterTheOther)),
        mock.patch.object(wiring, "ClockWatch", clock),
        mock.patch.object(wiring, "Refusals", RefusalsWithoutMemory),
        client,
        redis.Redis.from_url(url, single_connection_client=True) as raw,
    ):
        processes = [wiring.build(settings, registry, url) for _ in range(PROCESSES)]
        checker = InvariantChecker(kind, client, environment)
        yield System(kind, client, environment, registry, processes, checker, raw, hazards)
