"""What the ledger believes and what the backend has on record are compared, and every difference is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.ledger.storage.answers import AppendAnswer, Result
from app.ledger.storage.intents import NewAct
from app.ledger.transaction import Address, State
from mappers.base import BackendUnavailable, Holds, Receipt, StatementLine, Step, Verb
from providers.provider import Backend
from tests.ledger.faults import Run, unavailable
from tests.ledger.reconciliation_driver import answers_are_lost, differences, found_by, lose, pay, reconciliation
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System


@pytest.fixture(params=list(Holds))
def system(request: pytest.FixtureRequest, make_system: MakeSystem) -> System:
    return make_system(request.param)


def test_equal_records_give_no_difference(system: System) -> None:
    pay(system, "order-1")
    pay(system, "order-2")
    assert differences(system) == []


def test_progress_counts_every_transaction(system: System) -> None:
    pay(system, "order-1")
    pay(system, "order-2")
    counted: list[int] = []
    run = reconciliation(system)
    assert list(run.cards(counted.append)) == []
    assert sum(counted) == run.count() == run.compared == 2


def test_a_step_that_the_backend_lost_is_missing(system: System) -> None:
    transaction = pay(system)
    lost = system.backend.entries.pop(0)
    (found,) = differences(system)
    assert (found.kind, found.transaction, found.key) == ("missing", transaction, lost.key)
    assert found.ledger.endswith("BRL")


def test_an_entry_unknown_to_the_ledger_is_extra(system: System) -> None:
    pay(system)
    stray = StatementLine("gb-stray-1", Verb.DEBIT, 100, CARD, Receipt(), system.backend.entries[0].date)
    system.backend.entries.append(stray)
    (found,) = differences(system)
    assert (found.kind, found.key, found.backend) == ("extra", "gb-stray-1", "debit 1.00 BRL")


def test_another_amount_is_a_difference(system: System) -> None:
    pay(system)
    system.backend.entries[0] = replace(system.backend.entries[0], amount=3_999)
    (found,) = differences(system)
    assert found.kind == "amount"
    assert "39.99" in found.backend


def test_a_pending_act_is_reported_and_repaired(system: System) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [unavailable]
    if system.provider.policy.holds is Holds.UPFRONT:
        with pytest.raises(BackendUnavailable):
            system.cancel(transaction, "40.00")
    else:
        with pytest.raises(BackendUnavailable):
            system.settle(transaction, "40.00")
    (found,) = differences(system)
    assert (found.kind, found.repaired) == ("unresolved", False)
    (found,) = differences(system, repair=True)
    assert found.repaired
    assert differences(system) == []


def test_a_hold_the_backend_let_run_out_is_closed_by_repair(native: System) -> None:
    transaction = native.authorize("40.00")
    native.backend.let_run_out(f"{transaction}-1")
    (found,) = differences(native)
    assert (found.kind, found.ledger, found.repaired) == ("state", "authorized", False)

    def already_voided(step: Step, run: Run) -> Receipt:
        return native.backend.entries[-1].receipt

    native.mapper.faults = [already_voided]
    (found,) = differences(native, repair=True)
    assert found.repaired
    assert native.record(transaction).state is State.EXPIRED
    assert native.backend.spendable == 10_000
    assert differences(native) == []


def test_a_hold_that_ran_out_before_it_was_opened_again_is_no_difference(native: System) -> None:
    """What the backend let run out is the first hold, not the one that stands."""
    abandon(native)
    first = native.backend.entries[0]
    transaction = native.authorize("40.00", "order-1")
    native.backend.entries.append(replace(first, key=None, verb=Verb.VOID, receipt=Receipt("ran-out")))
    assert differences(native, repair=True) == []
    assert (native.record(transaction).state, native.backend.held) == (State.AUTHORIZED, 4_000)


def test_a_transaction_that_redis_lost_is_found_at_the_backend_and_restored(native: System) -> None:
    transaction = pay(native)
    native.connection._client.flushall()
    (found,) = differences(native)
    assert (found.kind, found.transaction, found.ledger) == ("extra", transaction, "no such transaction")
    (found,) = differences(native, repair=True)
    assert found.repaired
    assert differences(native) == []
    assert native.record(transaction).captured == 3_000


def test_without_repair_nothing_is_changed(native: System) -> None:
    pay(native)
    native.connection._client.flushall()
    differences(native)
    assert native.index.count() == 0


def test_a_transaction_that_redis_lost_is_found_for_every_kind_of_hold(system: System) -> None:
    """Where the ledger holds, no backend call opened it: the first that was made tells of it."""
    transaction = pay(system)
    system.connection._client.flushall()
    (found,) = differences(system)
    assert (found.kind, found.transaction, found.ledger) == ("extra", transaction, "no such transaction")


def test_a_lost_transaction_is_told_once_on_a_card_that_has_others(system: System) -> None:
    lost, _ = pay(system, "order-1"), pay(system, "order-2")
    lose(system, lost)
    (found,) = differences(system)
    assert (found.kind, found.transaction, found.ledger) == ("extra", lost, "no such transaction")


def test_more_is_told_as_lost_than_is_remembered(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.admin.reconciliation.run.REMEMBERED", 1)
    lost = {pay(system, f"order-{number}") for number in range(3)}
    system.connection._client.flushall()
    assert {found.transaction for found in differences(system)} == lost


def test_a_lost_transaction_on_a_card_that_has_others_is_written_down_again(native: System) -> None:
    lost, _ = pay(native, "order-1"), pay(native, "order-2")
    lose(native, lost)
    (found,) = differences(native, repair=True)
    assert (found.transaction, found.repaired) == (lost, True)
    assert differences(native) == []


def test_a_lost_transaction_is_reported_for_its_own_provider(native: System) -> None:
    lost = pay(native)
    native.connection._client.flushall()
    other = replace(native.provider, id="other")
    native.registry.serve(other, native.provider)
    (found,) = differences(native, repair=True)
    assert (found.provider, found.transaction, found.repaired) == (native.provider.id, lost, True)


def test_only_transactions_opened_since_are_compared(system: System) -> None:
    older = pay(system, "order-1")
    since = datetime.fromtimestamp(system.record(older).date / 1000, UTC) + timedelta(milliseconds=1)
    newer = authorized_after(system, since)
    system.settle(newer, "10.00")
    system.backend.entries = [entry for entry in system.backend.entries if entry.key and of(system, newer, entry.key)]
    run = reconciliation(system, since=since)
    assert run.count() == 1
    assert found_by(run) == []
    assert {found.transaction for found in differences(system)} == {older}


def test_older_transactions_on_the_card_are_not_taken_for_extra(system: System) -> None:
    older = pay(system, "order-1")
    since = datetime.fromtimestamp(system.record(older).date / 1000, UTC) + timedelta(milliseconds=1)
    authorized_after(system, since)
    assert differences(system, since=since) == []


@pytest.mark.parametrize("holds", [Holds.NATIVE, Holds.UPFRONT])  # else its opening leaves nothing at the backend
def test_an_abandoned_transaction_on_the_card_is_not_taken_for_extra(
    make_system: MakeSystem, holds: Holds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card's list has only what VTEX knows; the others may lie far away in the bucket."""
    monkeypatch.setattr("app.ledger.storage.index.ROWS", 1)
    system = make_system(holds)
    abandon(system)
    pay(system, "order-2")
    assert differences(system) == []


def test_older_transactions_are_not_taken_for_extra_where_the_backend_keeps_no_notes(system: System) -> None:
    older = pay(system, "order-1")
    since = datetime.fromtimestamp(system.record(older).date / 1000, UTC) + timedelta(milliseconds=1)
    authorized_after(system, since)
    system.backend.entries = [replace(entry, origin=None) for entry in system.backend.entries]
    assert differences(system, since=since) == []


def test_an_older_abandoned_one_is_not_taken_for_extra_where_the_backend_keeps_no_notes(native: System) -> None:
    abandon(native)
    since = datetime.fromtimestamp(native.only_record().date / 1000, UTC) + timedelta(milliseconds=1)
    authorized_after(native, since)
    native.backend.entries = [replace(entry, origin=None) for entry in native.backend.entries]
    assert differences(native, since=since) == []


def test_an_entry_of_another_provider_on_the_card_is_not_extra(system: System) -> None:
    first, other = system.provider, replace(system.provider, id="other")
    system.registry.serve(first, other)
    pay(system, "order-1")
    system.provider = other
    pay(system, "order-2")
    assert differences(system) == []


def test_a_transaction_lost_before_the_date_is_not_reported(system: System) -> None:
    pay(system, "order-1")
    system.connection._client.flushall()
    assert differences(system, since=datetime.now(UTC) + timedelta(minutes=1)) == []


def test_an_unknown_entry_before_the_date_is_not_reported(system: System) -> None:
    pay(system)
    since = system.backend.entries[0].date - timedelta(days=1)
    stray = StatementLine("gb-stray-1", Verb.DEBIT, 100, CARD, Receipt(), since - timedelta(days=1))
    system.backend.entries.append(stray)
    assert differences(system, since=since) == []


def test_a_pending_act_is_reported_however_many_transactions_the_card_has(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.ledger.storage.index.ROWS", 1)
    for number in range(3):
        pay(system, f"order-{number}")
    unresolved = system.authorize("5.00", "order-9")
    system.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        system.cancel(unresolved, "5.00") if system.provider.policy.holds is Holds.UPFRONT else system.settle(
            unresolved, "5.00"
        )
    (found,) = differences(system)
    assert (found.kind, found.transaction) == ("unresolved", unresolved)


def test_an_amount_settled_during_a_repair_is_not_given_back(native: System) -> None:
    transaction = native.authorize("40.00")
    native.backend.let_run_out(f"{transaction}-1")
    append = native.storage.append

    def settled_first(address: Address, backend: Backend, new: NewAct) -> Result[AppendAnswer]:
        native.storage.append = append  # type: ignore[method-assign]
        native.mapper.faults = [lambda step, run: Receipt("captured")]
        native.settle(transaction, "40.00")
        return append(address, backend, new)

    native.storage.append = settled_first  # type: ignore[method-assign]
    (found,) = differences(native, repair=True)
    assert (found.kind, found.repaired) == ("state", False)
    assert (native.record(transaction).captured, native.record(transaction).refunded) == (4_000, 0)


def abandon(system: System) -> None:
    """An authorization whose answer was lost, and that VTEX did not request again."""
    with answers_are_lost(system):
        system.authorize("40.00", "order-1")
    for _ in range(2):
        system.lose_lease(system.only_record().id)
        system.sweep()
    assert system.only_record().state is State.ABANDONED


def authorized_after(system: System, moment: datetime) -> str:
    while system.connection.now_milliseconds() < moment.timestamp() * 1000:
        pass  # Redis's next millisecond
    return system.authorize("20.00", "order-2")


def of(system: System, transaction: str, key: str) -> bool:
    return any(key.startswith(act.oid) for act in system.record(transaction).acts)
