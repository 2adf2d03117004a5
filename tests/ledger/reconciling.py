"""A reconciliation in the words of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from app.admin.reconciliation.reconcile import Reconciliation
from app.admin.reconciliation.run import Difference
from app.ledger import names
from app.ledger.service import AuthorizationRequest
from app.ledger.storage import keys
from app.ledger.transaction import Operation
from mappers.base import OutcomeUnknown, StatementLine
from tests.ledger.conftest import House
from tests.ledger.model import lost_after
from tests.money import minor


def reconciliation(
    house: House, *, later: timedelta = timedelta(hours=1), since: datetime | None = None, repair: bool = False
) -> Reconciliation:
    """A run that begins when all that happened in the test is over for so long."""
    now = type(house.connection).now_milliseconds
    house.connection.now_milliseconds = lambda: (  # type: ignore[method-assign]
        now(house.connection) + int(later / timedelta(milliseconds=1))
    )
    try:
        return Reconciliation(house.parts, since=since, repair=repair)
    finally:
        del house.connection.now_milliseconds


def found_by(run: Reconciliation) -> list[Difference]:
    return [*run.cards(lambda count: None), *run.accounts(lambda provider, count: None)]


def differences(
    house: House, *, later: timedelta = timedelta(hours=1), since: datetime | None = None, repair: bool = False
) -> list[Difference]:
    return found_by(reconciliation(house, later=later, since=since, repair=repair))


def pay(house: House, request_id: str = "order-1") -> str:
    """A transaction of 40.00: 30.00 of it settled, then 20.00 given back."""
    transaction = house.authorize("40.00", request_id)
    house.settle(transaction, "30.00", f"{request_id}-s")
    house.cancel(transaction, "20.00", f"{request_id}-c")
    return transaction


def pay_with(house: House, card_id: str, request_id: str = "order-1") -> str:
    """An authorized transaction of 40.00 on any card."""
    house.backend.balances.setdefault(card_id, 10_000)
    request = AuthorizationRequest(card_id, Operation.DEBIT, minor("40.00"), request_id)
    return house.ledger.authorize(house.provider, request, house.deadline())


def lose(house: House, transaction: str) -> None:
    """Let Redis forget a transaction that it should not."""
    record, client = house.record(transaction), house.connection._client
    client.delete(str(keys.of_transaction(transaction)), str(keys.of_transaction(transaction, "ev")))
    client.zrem(keys.of_card(record.provider_id, record.card_id, "of"), transaction)
    client.zrem(keys.in_bucket(names.bucket_of_transaction(transaction) or 0, "all"), transaction)


def opened_long_ago(house: House, transaction: str, act: int) -> None:
    """Let one act of a transaction have been opened a day ago."""
    client, key = house.connection._client, str(keys.of_transaction(transaction))
    client.hset(key, f"a{act}.date", house.record(transaction).acts[act].date - 86_400_000)


def meanwhile(house: House, happens: Callable[[], object]) -> None:
    """Let something happen once, while the next statement is asked for."""
    statement = house.mapper.statement

    def ask(page_seconds: float, card_id: str | None = None, since: datetime | None = None) -> Iterator[StatementLine]:
        house.mapper.statement = statement  # type: ignore[method-assign]
        happens()
        return statement(page_seconds, card_id, since)

    house.mapper.statement = ask  # type: ignore[method-assign]


@contextmanager
def answers_are_lost(house: House) -> Iterator[None]:
    """What is sent here happens, and nobody is told."""
    house.mapper.faults, house.mapper.ask_faults = [lost_after] * 9, [OutcomeUnknown("no answer") for _ in range(9)]
    with pytest.raises(OutcomeUnknown):
        yield
    house.mapper.faults, house.mapper.ask_faults = [], []
