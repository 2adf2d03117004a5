"""The service's parts, wired once: what the web application, the commands and the tests share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from app.ledger.cards import CardService
from app.ledger.clock import ClockWatch
from app.ledger.errors import LedgerUnavailable
from app.ledger.executor import Executor
from app.ledger.guesses import Guesses, Rations
from app.ledger.recovery import Recovery
from app.ledger.refusals import Refusals
from app.ledger.service import LedgerService
from app.ledger.storage.connection import Connection, Fleet
from app.ledger.storage.documents import Documents
from app.ledger.storage.guesses import GuessStorage
from app.ledger.storage.history import History
from app.ledger.storage.index import Index
from app.ledger.storage.intents import LedgerTimes
from app.ledger.storage.storage import Storage
from app.ledger.storage.totals import Totals
from app.ledger.sweeper import TURNS_AT_A_TIME, Sweeper
from app.ledger.threads import BackendThreads
from app.ledger.watch import Watch
from app.settings import Settings
from providers.provider import Provider
from providers.registry import Registry
from providers.watch import ProvidersFile

# Beside the threads that serve requests: the sweeper's turns, the sweeper itself, readiness, and a hand at the command
# line.
SPARE_CONNECTIONS = 2 * TURNS_AT_A_TIME + 4


@dataclass(frozen=True, slots=True)
class Parts:
    """The use cases and what they work on; every collaborator is passed as an argument."""

    settings: Settings
    registry: Registry
    connection: Connection
    fleet: Fleet
    storage: Storage
    index: Index
    history: History
    documents: Documents
    totals: Totals
    ledger: LedgerService
    executor: Executor
    recovery: Recovery
    cards: CardService
    clock: ClockWatch
    sweeper: Sweeper


def build(settings: Settings, registry: Registry, redis_url: str, watch: Watch | None = None) -> Parts:
    """Wire the use cases to the Redis at `redis_url`; `watch` is told of their work."""
    connection = Connection.to(
        redis_url,
        timeout_seconds=settings.redis_timeout_seconds,
        connections=settings.threads + SPARE_CONNECTIONS,
        replicas=settings.redis_replicas,
    )
    return wire(settings, registry, connection, watch)


def wire(settings: Settings, registry: Registry, connection: Connection, watch: Watch | None = None) -> Parts:
    """Wire the use cases to a Redis that somebody has connected to; `watch` is told of their work."""
    fleet = Fleet(connection)
    times = LedgerTimes(
        lease=timedelta(seconds=settings.lease_seconds),
        abandon_after=timedelta(seconds=settings.abandon_after_seconds),
        retention=timedelta(days=settings.retention_days),
    )
    storage = Storage(connection, times)
    index = Index(connection)
    history = History(connection)
    threads = BackendThreads(settings.threads_for_a_backend, watch)
    executor = Executor(
        storage,
        threads,
        find_provider=registry.get,
        doubts=history.recent,
        doubts_of_this_server=partial(history.recent, of_this_server=True),
    )
    recovery = Recovery(storage, threads)
    clock = ClockWatch(storage)
    documents = Documents(connection)
    refusals = Refusals(documents)
    if isinstance(registry, ProvidersFile):
        registry.keep_backends_of(lambda provider: _still_open(index, provider))
    return Parts(
        settings=settings,
        registry=registry,
        connection=connection,
        fleet=fleet,
        storage=storage,
        index=index,
        history=history,
        documents=documents,
        totals=Totals(connection),
        ledger=LedgerService(storage, index, threads, executor, recovery, refusals),
        executor=executor,
        recovery=recovery,
        cards=CardService(storage, Guesses(GuessStorage(connection), _rations(settings)), threads, refusals),
        clock=clock,
        sweeper=Sweeper(
            storage,
            index,
            fleet,
            clock,
            executor,
            registry,
            history,
            interval_seconds=settings.sweep_interval_seconds,
            deadline_seconds=settings.money_deadline_seconds,
            watch=watch,
        ),
    )


def _rations(settings: Settings) -> Rations:
    return Rations(
        settings.code_misses_per_customer, settings.code_misses_per_address, settings.code_misses_per_provider
    )


def _still_open(index: Index, provider: Provider) -> str | None:
    """Say which transaction of a provider is not over at its backend; None where none is."""
    try:
        opened = (one for one in index.open() if (one.provider_id, one.backend) == (provider.id, provider.backend))
        found = next(opened, None)
    except LedgerUnavailable as error:
        return f"nobody knows what is open ({error})"
    return f"transaction {found.id} is not over" if found else None
