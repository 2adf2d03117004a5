"""A Redis that has lost everything: where the backend holds the money, every order goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from app.ledger.errors import AmountExceeded, LedgerUnavailable, TransactionNotFound
from app.ledger.storage.history import History
from app.ledger.transaction import State
from mappers import whole_capture
from mappers.base import (
    BackendUnavailable,
    CardUnusable,
    Holds,
    OutcomeUnknown,
    Receipt,
    Step,
)
from tests.ledger.faults import (
    Run,
    lost_after,
    refuses,
)
from tests.ledger.reconciliation_driver import lose
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System


def wipe(system: System) -> None:
    system.connection._client.flushall()


def test_an_authorized_transaction_is_settled_after_the_loss(system: System) -> None:
    transaction = system.authorize("40.00")
    wipe(system)
    system.settle(transaction, "40.00")
    assert system.settlements(transaction) == [Decimal("40.00")]
    assert system.backend.held == 0
    assert system.backend.spendable == 6_000


def test_an_authorized_transaction_is_canceled_after_the_loss(system: System) -> None:
    transaction = system.authorize("40.00")
    wipe(system)
    system.cancel(transaction, "40.00")
    assert system.backend.spendable == 10_000
    assert system.record(transaction).state is State.CLOSED


def test_lists_and_caps_are_what_they_were(system: System) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "25.00", "s1")
    system.cancel(transaction, "20.00", "c1")
    wipe(system)
    assert system.ledger.transactions(system.provider, CARD, system.deadline()) == [transaction]
    assert system.settlements(transaction) == [Decimal("25.00")]
    assert system.cancellations(transaction) == [Decimal("20.00")]
    with pytest.raises(AmountExceeded):
        system.cancel(transaction, "20.01", "c2")
    system.cancel(transaction, "20.00", "c2")
    assert system.backend.spendable == 10_000


def test_the_transaction_reads_back_with_its_request(system: System) -> None:
    transaction = system.authorize("40.00", "order-7")
    wipe(system)
    view = system.ledger.transaction(system.provider, CARD, transaction, system.deadline())
    assert (view.amount, view.request_id, view.operation) == (4_000, "order-7", "Debit")


def test_a_repeated_settlement_is_known_again(system: System) -> None:
    transaction = system.authorize("40.00")
    oid = system.settle(transaction, "40.00", "s1")
    wipe(system)
    assert system.settle(transaction, "40.00", "s1") == oid
    assert system.backend.effects.total() == 2


def test_the_repeat_of_the_authorization_moves_nothing(system: System) -> None:
    transaction = system.authorize("40.00")
    wipe(system)
    assert system.authorize("40.00") == transaction
    assert system.backend.effects.total() == 1


def test_a_hold_the_backend_let_run_out_is_restored_as_expired(system: System) -> None:
    transaction = system.authorize("40.00")
    system.backend.let_run_out(f"{transaction}-1")
    wipe(system)
    assert system.cancellations(transaction) == [Decimal("40.00")]
    assert system.record(transaction).state is State.EXPIRED


def test_a_restored_authorization_expires_when_it_would_have(system: System) -> None:
    transaction = system.authorize("40.00")
    before = system.record(transaction).expires_at
    wipe(system)
    system.settlements(transaction)
    assert abs(system.record(transaction).expires_at - before) < 5_000
    assert system.sweep() == {"expired": 1}
    assert system.backend.spendable == 10_000


def test_an_unknown_id_stays_unknown(system: System) -> None:
    transaction = system.authorize("40.00")
    with pytest.raises(TransactionNotFound):
        system.settlements(transaction[:-4] + "0000")


@pytest.mark.parametrize("holds", [Holds.LEDGER, Holds.UPFRONT])
def test_a_transaction_without_a_native_hold_is_not_made_up(make_system: MakeSystem, holds: Holds) -> None:
    system = make_system(holds)
    transaction = system.authorize("40.00")
    wipe(system)
    with pytest.raises(TransactionNotFound):
        system.settle(transaction, "40.00")


def test_a_refused_cancellation_is_not_restored_as_pending(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE)
    system.mapper.plan = partial(whole_capture.plan, refund_whole=False)  # type: ignore[method-assign]
    transaction = system.authorize("60.00")
    system.mapper.faults = [lambda step, run: run(), refuses]
    with pytest.raises(CardUnusable):
        system.cancel(transaction, "20.00", "c1")
    before = system.backend.spendable
    system.connection.call(lambda client: client.flushall())
    assert system.cancellations(transaction) == []
    assert system.backend.spendable == before


def test_an_undone_authorization_is_not_restored(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE)
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    for _ in range(2):
        system.sweep()
    address = system.only_record().address
    system.connection.call(lambda client: client.flushall())
    system.parts.recovery.transaction(system.provider, address, system.deadline())
    system.authorize("40.00")
    assert system.backend.held == 4_000


def test_the_sweeper_does_not_give_back_the_rest_of_a_whole_capture(make_system: MakeSystem) -> None:
    """A later settlement needed no call, and left no trace."""
    system = make_system(Holds.NATIVE)
    system.mapper.plan = partial(whole_capture.plan, refund_whole=False)  # type: ignore[method-assign]
    transaction = system.authorize("60.00")
    system.settle(transaction, "40.00", "s1")
    system.settle(transaction, "20.00", "s2")
    system.connection.call(lambda client: client.flushall())
    system.settlements(transaction)
    client = system.connection._client
    (due,) = [score for key in client.scan_iter("gb:*:due") if (score := client.zscore(key, transaction))]
    assert due > system.connection.now_milliseconds() + 100 * 365 * 24 * 3600 * 1000


def test_a_transaction_that_redis_loses_during_an_attempt_asks_for_a_repeat(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE)

    def forgotten(step: Step, run: Run) -> Receipt:
        system.connection.call(lambda client: client.flushall())
        return run()

    system.mapper.faults = [forgotten]
    with pytest.raises(LedgerUnavailable):
        system.authorize("40.00")
    system.authorize("40.00")
    assert system.backend.held == 4_000


def statements_read(system: System, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Count from now on of which cards the backend is asked for a statement."""
    asked: list[str | None] = []
    statement = system.mapper.statement

    def counted(page_seconds: float, card_id: str | None = None, since: datetime | None = None) -> Any:
        asked.append(card_id)
        return statement(page_seconds, card_id, since)

    monkeypatch.setattr(system.mapper, "statement", counted)
    return asked


def test_a_card_is_restored_whole_from_one_reading_of_its_statement(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = [system.authorize("1.00", f"order-{number}") for number in range(5)]
    wipe(system)
    asked = statements_read(system, monkeypatch)
    assert system.parts.recovery.card(system.provider, CARD, system.deadline()) == set(paid)
    assert system.parts.recovery.card(system.provider, CARD, system.deadline()) == set()
    assert len(asked) == 2
    assert [system.settlements(transaction) for transaction in paid] == [[]] * 5
    assert len(asked) == 2


def test_lost_transactions_that_are_told_one_by_one_are_restored_from_one_reading(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = [system.authorize("1.00", f"order-{number}") for number in range(5)]
    addresses = [system.record(transaction).address for transaction in paid]
    wipe(system)
    asked = statements_read(system, monkeypatch)
    found = [system.parts.recovery.transaction(system.provider, address, system.deadline()) for address in addresses]
    assert [record and record.id for record in found] == paid
    assert len(asked) == 1


def test_whoever_asks_for_one_lost_transaction_brings_back_all_of_the_card(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = [system.authorize("1.00", f"order-{number}") for number in range(5)]
    wipe(system)
    asked = statements_read(system, monkeypatch)
    assert [system.settlements(transaction) for transaction in paid] == [[]] * 5
    assert len(asked) == 1


def test_a_list_shows_what_was_paid_before_the_loss_beside_what_was_paid_since(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = system.authorize("1.00", "order-1")
    wipe(system)
    new = system.authorize("1.00", "order-2")
    asked = statements_read(system, monkeypatch)
    for _ in range(2):
        assert set(system.ledger.transactions(system.provider, CARD, system.deadline())) == {lost, new}
    assert len(asked) == 1


def test_after_a_failover_or_a_backup_a_list_is_asked_for_again(system: System) -> None:
    transactions = {system.authorize("1.00", "order-1"), system.authorize("1.00", "order-2")}
    assert set(system.ledger.transactions(system.provider, CARD, system.deadline())) == transactions
    lose(system, next(iter(transactions)))
    History(system.connection).doubt("a backup was restored")
    assert set(system.ledger.transactions(system.provider, CARD, system.deadline())) == transactions


def test_a_list_that_may_lack_something_is_not_answered(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    system.authorize("1.00")

    def down(*arguments: object) -> Any:
        raise BackendUnavailable("down")

    monkeypatch.setattr(system.mapper, "statement", down)
    with pytest.raises(BackendUnavailable):
        system.ledger.transactions(system.provider, CARD, system.deadline())


@pytest.mark.parametrize("holds", [Holds.LEDGER, Holds.UPFRONT])
def test_a_list_that_no_backend_could_complete_asks_none(
    make_system: MakeSystem, holds: Holds, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = make_system(holds)
    transaction = system.authorize("1.00")
    asked = statements_read(system, monkeypatch)
    assert system.ledger.transactions(system.provider, CARD, system.deadline()) == [transaction]
    assert asked == []


def test_another_providers_transaction_on_the_same_account_is_left_to_that_one(system: System) -> None:
    transaction = system.authorize("40.00")
    wipe(system)
    other = replace(system.provider, id="another")
    assert system.parts.recovery.card(other, CARD, system.deadline()) == set()
    assert system.parts.recovery.card(system.provider, CARD, system.deadline()) == {transaction}


def test_what_the_ledger_forgot_on_purpose_is_restored_only_where_it_is_asked_for(system: System) -> None:
    over = system.authorize("40.00", "order-1")
    system.settle(over, "40.00")
    under_way = system.authorize("40.00", "order-2")
    system.backend.entries = [replace(entry, date=entry.date - timedelta(days=500)) for entry in system.backend.entries]
    wipe(system)
    assert system.parts.recovery.card(system.provider, CARD, system.deadline()) == {under_way}
    assert system.settlements(over) == [Decimal("40.00")]


def test_an_old_note_of_a_refund_proves_that_all_the_rest_was_settled(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE)
    system.mapper.plan = partial(whole_capture.plan, refund_whole=False)  # type: ignore[method-assign]
    transaction = system.authorize("60.00")
    system.cancel(transaction, "10.00", "c1")
    system.settle(transaction, "10.00", "s1")
    system.settle(transaction, "40.00", "s2")
    system.cancel(transaction, "20.00", "c2")
    system.backend.entries = [
        replace(entry, origin=replace(entry.origin, captured=None, settlements=()))
        for entry in system.backend.entries
        if entry.origin
    ]
    wipe(system)
    assert sum(system.settlements(transaction)) == 50
    record = system.record(transaction)
    assert (record.captured, record.voided, record.refunded) == (5_000, 1_000, 2_000)
    system.cancel(transaction, "30.00", "c3")
    assert system.backend.spendable == 10_000


def test_a_restored_transaction_that_was_undone_is_on_no_list(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE)
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    for _ in range(2):
        system.sweep()
    wipe(system)
    assert system.parts.recovery.card(system.provider, CARD, system.deadline())
    assert system.ledger.transactions(system.provider, CARD, system.deadline()) == []


def test_what_another_process_has_restored_is_left_as_it_is(system: System) -> None:
    """Both read the statement; one restores the order, and settles it, before the other comes to write."""
    transaction = system.authorize("40.00")
    wipe(system)
    restore = system.storage.restore

    def after_another(*arguments: Any, **options: Any) -> Any:
        system.storage.restore = restore  # type: ignore[method-assign]
        system.settle(transaction, "15.00", "s1")
        return restore(*arguments, **options)

    system.storage.restore = after_another  # type: ignore[method-assign]
    assert system.settlements(transaction) == [Decimal("15.00")]
    assert (system.record(transaction).captured, len(system.everything())) == (1_500, 1)
