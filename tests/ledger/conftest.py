"""Systems under test, and the fixtures that most tests of the ledger share."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Literal

import pytest

from app.ledger.cards import CardService
from app.ledger.clock import ClockWatch
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
from app.ledger.sweeper import Sweeper
from app.ledger.threads import BackendThreads
from app.parts import Parts
from app.settings import Settings
from mappers.base import Holds
from mappers.money import Currency
from providers.provider import Policy, Provider
from tests.ledger.reference_model import ReferenceBackend, ReferenceMapper
from tests.ledger.sandbox_system import SandboxSystem, vauchar_system, voucherify_system
from tests.ledger.system import ChangeableRegistry, MakeSystem, System


@pytest.fixture
def make_system(redis_url: str, empty_redis_url: str) -> Iterator[MakeSystem]:
    """Return a function that builds a system for one kind of holds and one kind of backend."""
    connections: list[Connection] = []

    def make(
        holds: Holds = Holds.NATIVE,
        settle: Literal["capture", "accept"] = "capture",
        lease: timedelta = timedelta(seconds=30),
        connection: Connection | None = None,
        threads: int = 64,
        **mapper_options: bool,
    ) -> System:
        connection = connection or Connection.to(redis_url, timeout_seconds=2, connections=80)
        connections.append(connection)
        fleet = Fleet(connection)
        backend = ReferenceBackend()
        mapper = ReferenceMapper(backend, holds, **mapper_options)
        policy = Policy(
            holds=holds, authorization_ttl=timedelta(days=30), remainder_ttl=timedelta(days=30), settle=settle
        )
        provider = Provider(
            id=f"acme-{secrets.token_hex(3)}",
            caption="Acme",
            currency=Currency("BRL", 2),
            mapper=mapper,
            credentials=(),
            policy=policy,
        )
        storage = Storage(connection, LedgerTimes(lease=lease))
        index = Index(connection)
        registry = ChangeableRegistry(provider)
        shares = BackendThreads(threads)
        history = History(connection)
        executor = Executor(
            storage,
            shares,
            lambda seconds: time.sleep(min(seconds, 0.01)),
            registry.get,
            history.recent,
            partial(history.recent, of_this_server=True),
        )
        recovery = Recovery(storage, shares)
        clock = ClockWatch(storage)
        documents = Documents(connection)
        refusals = Refusals(documents)
        parts = Parts(
            settings=Settings(),
            registry=registry,
            connection=connection,
            fleet=fleet,
            storage=storage,
            index=index,
            history=history,
            documents=documents,
            totals=Totals(connection),
            ledger=LedgerService(storage, index, shares, executor, recovery, refusals),
            executor=executor,
            recovery=recovery,
            cards=CardService(storage, Guesses(GuessStorage(connection), Rations()), shares, refusals),
            clock=clock,
            sweeper=Sweeper(
                storage, index, fleet, clock, executor, registry, history, interval_seconds=1, deadline_seconds=5
            ),
        )
        return System(
            provider=provider,
            mapper=mapper,
            backend=backend,
            connection=connection,
            storage=storage,
            index=index,
            ledger=parts.ledger,
            cards=parts.cards,
            sweeper=parts.sweeper,
            registry=registry,
            parts=parts,
        )

    yield make
    for connection in connections:
        connection.close()


@pytest.fixture
def system(make_system: MakeSystem) -> System:
    """A backend that holds natively and knows a repeated key again."""
    return make_system(Holds.NATIVE)


@pytest.fixture
def native(make_system: MakeSystem) -> System:
    """The same, for files in which `system` has every kind of holds in turn."""
    return make_system(Holds.NATIVE)


@pytest.fixture
def non_idempotent(make_system: MakeSystem) -> System:
    """A backend that would redeem twice when told twice, reserved in the ledger."""
    return make_system(Holds.LEDGER, repeatable=False, one_step_at_a_time=True)


@pytest.fixture
def upfront(make_system: MakeSystem) -> System:
    """A backend that would redeem twice when told twice, told at authorization; one step a card at a time."""
    return make_system(Holds.UPFRONT, repeatable=False, one_step_at_a_time=True)


@pytest.fixture
def vauchar(make_system: MakeSystem) -> Iterator[SandboxSystem]:
    with vauchar_system(make_system(Holds.LEDGER)) as system:
        yield system


@pytest.fixture
def vauchar_without_ids(vauchar: SandboxSystem) -> SandboxSystem:
    """An account that does not keep the ids it is sent."""
    vauchar.backend.echo_transaction_id = False
    return vauchar


@pytest.fixture
def vauchar_accepting(make_system: MakeSystem) -> Iterator[SandboxSystem]:
    """An account that does not keep the ids it is sent, and settlements that are promised first."""
    with vauchar_system(make_system(Holds.LEDGER, settle="accept")) as system:
        system.backend.echo_transaction_id = False
        yield system


@pytest.fixture
def voucherify(make_system: MakeSystem) -> Iterator[SandboxSystem]:
    with voucherify_system(make_system(Holds.LEDGER)) as system:
        yield system
