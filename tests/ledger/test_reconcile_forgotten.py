"""What the ledger has forgotten after its retention is neither told as extra nor written down again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.ledger.transaction import State
from mappers.base import Holds, Origin, Receipt, StatementLine, Verb
from tests.ledger.reconciliation_driver import differences, lose, pay
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System

RETENTION = timedelta(days=400)
HOUR = timedelta(hours=1)


@pytest.fixture(params=list(Holds))
def system(request: pytest.FixtureRequest, make_system: MakeSystem) -> System:
    return make_system(request.param)


def aged(system: System, age: timedelta, transaction: str | None = None) -> None:
    """Let the backend have done it so long ago: all, or what it did for one transaction."""
    system.backend.entries = [
        replace(entry, date=entry.date - age) if transaction in (None, _of(entry)) else entry
        for entry in system.backend.entries
    ]


def _of(entry: StatementLine) -> str | None:
    return entry.origin.transaction_id if entry.origin else None


def forgotten(system: System, *, notes: bool = True) -> str:
    """A transaction that was closed for longer than the retention, and that the ledger has forgotten."""
    transaction = system.authorize("40.00", "order-0")
    system.settle(transaction, "40.00", "settle-0")
    assert system.record(transaction).state is State.CLOSED
    assert system.sweep() == {"forgotten": 1}
    aged(system, RETENTION + HOUR)
    if not notes:
        system.backend.entries = [replace(entry, origin=None) for entry in system.backend.entries]
    return transaction


@pytest.mark.parametrize("notes", [True, False], ids=["with notes", "without notes"])
@pytest.mark.parametrize("repair", [False, True], ids=["told", "repaired"])
def test_a_forgotten_order_is_no_difference(system: System, *, notes: bool, repair: bool) -> None:
    transaction = forgotten(system, notes=notes)
    assert differences(system, repair=repair) == []  # the card is not known any more: its account is looked through
    newer = pay(system)
    assert differences(system, repair=repair) == []  # on a card that has others
    assert system.everything() == [newer]
    assert system.storage.load(transaction) is None


def test_a_backend_whose_clock_is_ahead_brings_no_forgotten_order_back(native: System) -> None:
    transaction = forgotten(native)
    aged(native, -12 * HOUR)  # it was forgotten a moment ago, and the backend dates it hours later
    assert differences(native, repair=True) == []
    assert native.storage.load(transaction) is None


def test_a_lost_order_of_which_a_part_is_young_is_restored_whole(native: System) -> None:
    """It was opened and settled long ago and refunded in time: it cannot have been forgotten."""
    transaction = pay(native)
    opened, captured, *later = native.backend.entries
    old = [replace(entry, date=entry.date - RETENTION - HOUR) for entry in (opened, captured)]
    native.backend.entries = [*old, *later]
    native.connection._client.flushall()
    (found,) = differences(native, repair=True)
    assert (found.transaction, found.repaired) == (transaction, True)
    assert native.record(transaction).captured == 3_000


def test_what_somebody_else_does_to_a_forgotten_order_brings_it_not_back(native: System) -> None:
    transaction = forgotten(native)
    origin = next(entry.origin for entry in native.backend.entries if entry.origin)
    assert isinstance(origin, Origin)
    now = datetime.now(UTC)
    reversal = StatementLine(None, Verb.REFUND, 4_000, CARD, Receipt("elsewhere"), now, origin)
    native.backend.entries.append(reversal)
    pay(native)
    assert differences(native, repair=True) == []
    assert native.storage.load(transaction) is None


def test_a_lost_order_younger_than_the_retention_is_told(system: System) -> None:
    lost, _ = pay(system, "order-1"), pay(system, "order-2")
    aged(system, RETENTION - timedelta(days=2), lost)
    lose(system, lost)
    (found,) = differences(system)
    assert (found.kind, found.transaction) == ("extra", lost)
