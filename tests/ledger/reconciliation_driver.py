"""The driver of reconciliations: makes transactions and differences, and runs the comparison."""

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
from tests.ledger.faults import lost_after
from tests.ledger.system import System
from tests.money import minor
from tests.stored import rewrite


def reconciliation(
    system: System,
    *,
    later: timedelta = timedelta(hours=1),
    since: datetime | None = None,
    repair: bool = False,
    every_card: bool = False,
) -> Reconciliation:
    """A run that begins when all that happened in the test is over for so long."""
    now = type(system.connection).now_milliseconds
    system.connection.now_milliseconds = lambda: (  # type: ignore[method-assign]
        now(system.connection) + int(later / timedelta(milliseconds=1))
    )
    try:
        return Reconciliation(system.parts, since=since, repair=repair, every_card=every_card)
    finally:
        del system.connection.now_milliseconds


def found_by(run: Reconciliation) -> list[Difference]:
    return [*run.cards(lambda count: None), *run.accounts(lambda provider, count, what: None)]


def differences(
    system: System,
    *,
    later: timedelta = timedelta(hours=1),
    since: datetime | None = None,
    repair: bool = False,
    every_card: bool = False,
) -> list[Difference]:
    return found_by(reconciliation(system, later=later, since=since, repair=repair, every_card=every_card))


def pay(system: System, request_id: str = "order-1") -> str:
    """A transaction of 40.00: 30.00 of it settled, then 20.00 given back."""
    transaction = system.authorize("40.00", request_id)
    system.settle(transaction, "30.00", f"{request_id}-s")
    system.cancel(transaction, "20.00", f"{request_id}-c")
    return transaction


def pay_with(system: System, card_id: str, request_id: str = "order-1") -> str:
    """An authorized transaction of 40.00 on any card."""
    system.backend.balances.setdefault(card_id, 10_000)
    request = AuthorizationRequest(card_id, Operation.DEBIT, minor("40.00"), request_id)
    return system.ledger.authorize(system.provider, request, system.deadline())


def lose(system: System, transaction: str) -> None:
    """Let Redis forget a transaction that it should not."""
    record, client = system.record(transaction), system.connection._client
    client.delete(str(keys.of_transaction(transaction)), str(keys.of_transaction(transaction, "ev")))
    client.zrem(keys.of_card(record.provider_id, record.card_id), transaction)
    client.zrem(keys.in_bucket(names.bucket_of_transaction(transaction) or 0, "all"), transaction)


def opened_long_ago(system: System, transaction: str, act: int) -> None:
    """Let one act of a transaction have been opened a day ago."""
    earlier = system.record(transaction).acts[act].date - 86_400_000
    rewrite(system.connection._client, transaction, **{f"a{act}__date": earlier})


def meanwhile(system: System, happens: Callable[[], object]) -> None:
    """Let something happen once, while the next statement is asked for."""
    statement = system.mapper.statement

    def ask(page_seconds: float, card_id: str | None = None, since: datetime | None = None) -> Iterator[StatementLine]:
        system.mapper.statement = statement  # type: ignore[method-assign]
        happens()
        return statement(page_seconds, card_id, since)

    system.mapper.statement = ask  # type: ignore[method-assign]


@contextmanager
def answers_are_lost(system: System) -> Iterator[None]:
    """What is sent here happens, and its answer is lost."""
    system.mapper.faults, system.mapper.ask_faults = [lost_after] * 9, [OutcomeUnknown("no answer") for _ in range(9)]
    with pytest.raises(OutcomeUnknown):
        yield
    system.mapper.faults, system.mapper.ask_faults = [], []
