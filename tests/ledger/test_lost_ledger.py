"""A Redis that lost everything, before the real mappers that hold natively and keep our notes, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest

from app.ledger.executor import Executor
from app.ledger.recovery import Recovery
from app.ledger.service import AuthorizationRequest, ChangeRequest, LedgerService
from app.ledger.storage.connection import Connection
from app.ledger.storage.index import Index
from app.ledger.storage.intents import LedgerTimes
from app.ledger.storage.storage import Storage
from app.ledger.transaction import Operation
from mappers.base import Holds, Mapper, Query
from mappers.deadline import Deadline
from mappers.lightrail_v1 import sandbox as v1
from mappers.lightrail_v1.mapper import LightrailV1, LightrailV1Options
from mappers.lightrail_v2 import sandbox as v2
from mappers.lightrail_v2.mapper import LightrailV2, LightrailV2Options
from mappers.money import Currency
from mappers.sandbox import running
from providers.provider import Policy, Provider
from tests.money import major, minor

BRL = Currency.of("BRL")
MONTH = timedelta(days=30)


@dataclass
class NativeSystem:
    """A provider, one of its cards, and the ledger before it."""

    provider: Provider
    card: str
    ledger: LedgerService
    connection: Connection

    def authorize(self, value: str) -> str:
        request = AuthorizationRequest(self.card, Operation.DEBIT, minor(value), "order-1", order_id="order-1")
        return self.ledger.authorize(self.provider, request, self.deadline())

    def settle(self, transaction: str, value: str, request_id: str) -> None:
        self.ledger.settle(self.provider, self._change(transaction, value, request_id), self.deadline())

    def cancel(self, transaction: str, value: str, request_id: str) -> None:
        self.ledger.cancel(self.provider, self._change(transaction, value, request_id), self.deadline())

    def lists(self, transaction: str) -> tuple[list[Decimal], list[Decimal]]:
        """What VTEX reads of a transaction: its settlements and its cancellations."""
        read = self.ledger.settlements, self.ledger.cancellations
        settled, canceled = (call(self.provider, self.card, transaction, self.deadline()) for call in read)
        return [major(entry.amount) for entry in settled], [major(entry.amount) for entry in canceled]

    def balance(self) -> Decimal:
        return BRL.to_decimal(self.provider.mapper.get_card(self.card, self.deadline()).balance)

    def lose_everything(self) -> None:
        self.connection.call(lambda client: client.flushall())

    @staticmethod
    def deadline() -> Deadline:
        return Deadline.after(10)

    def _change(self, transaction: str, value: str, request_id: str) -> ChangeRequest:
        return ChangeRequest(self.card, transaction, minor(value), request_id)


@contextmanager
def lightrail_v1() -> Iterator[tuple[Mapper, str]]:
    with running(v1.create_app()) as sandbox:
        yield (
            LightrailV1("light", BRL, Holds.NATIVE, LightrailV1Options(**v1.DEMO_OPTIONS(sandbox.url))),
            "V1ACT-100",
        )


@contextmanager
def lightrail_v2() -> Iterator[tuple[Mapper, str]]:
    with running(v2.create_app()) as sandbox:
        yield (
            LightrailV2("light", BRL, Holds.NATIVE, LightrailV2Options(**v2.DEMO_OPTIONS(sandbox.url))),
            "LIGHT-ACTIVE-100",
        )


@pytest.fixture(params=[lightrail_v1, lightrail_v2], ids=["lightrail_v1", "lightrail_v2"])
def system(request: pytest.FixtureRequest, redis_url: str, empty_redis_url: str) -> Iterator[NativeSystem]:
    with request.param() as (mapper, code):
        policy = Policy(Holds.NATIVE, authorization_ttl=MONTH, remainder_ttl=MONTH)
        provider = Provider("light", "Light", BRL, mapper, (), policy)
        connection = Connection.to(redis_url, timeout_seconds=2, connections=10)
        storage = Storage(connection, LedgerTimes())
        ledger = LedgerService(storage, Index(connection), Executor(storage), Recovery(storage))
        (card,) = mapper.find(Query(code=code), NativeSystem.deadline())
        yield NativeSystem(provider, card.id, ledger, connection)
        connection.close()


def test_a_lost_transaction_is_settled_and_its_rest_canceled(system: NativeSystem) -> None:
    transaction = system.authorize("40.00")
    system.lose_everything()
    system.settle(transaction, "15.00", "settle-1")
    system.lose_everything()
    system.cancel(transaction, "25.00", "cancel-1")
    assert system.lists(transaction) == ([Decimal(15)], [Decimal(25)])
    assert system.balance() == 85


def test_settlements_and_cancellations_are_listed_as_before_the_loss(system: NativeSystem) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "30.00", "settle-1")
    system.cancel(transaction, "10.00", "cancel-1")
    before = system.lists(transaction), system.balance()
    system.lose_everything()
    assert (system.lists(transaction), system.balance()) == before
    assert system.ledger.transactions(system.provider, system.card, system.deadline()) == [transaction]


def test_a_request_repeated_after_the_loss_moves_nothing(system: NativeSystem) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00", "settle-1")
    system.cancel(transaction, "15.00", "cancel-1")
    system.lose_everything()
    system.settle(transaction, "40.00", "settle-1")
    system.cancel(transaction, "15.00", "cancel-1")
    assert system.balance() == 75
