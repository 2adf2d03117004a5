"""What the ledger believes and what the backend has on record are compared, and every difference is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.ledger.storage.answers import AppendAnswer, Result
from app.ledger.storage.intents import NewAct
from app.ledger.transaction import Address, State
from mappers.base import BackendUnavailable, Holds, Receipt, StatementLine, Verb
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import CARD, unavailable
from tests.ledger.reconciling import answers_are_lost, differences, found_by, lose, pay, reconciliation


@pytest.fixture(params=list(Holds))
def house(request: pytest.FixtureRequest, make_house: MakeHouse) -> House:
    return make_house(request.param)


@pytest.fixture
def native(make_house: MakeHouse) -> House:
    return make_house(Holds.NATIVE)


def test_where_both_agree_there_is_nothing_to_say(house: House) -> None:
    pay(house, "order-1")
    pay(house, "order-2")
    assert differences(house) == []


def test_progress_counts_every_transaction(house: House) -> None:
    pay(house, "order-1")
    pay(house, "order-2")
    counted: list[int] = []
    run = reconciliation(house)
    assert list(run.cards(counted.append)) == []
    assert sum(counted) == run.count() == run.compared == 2


def test_what_the_backend_has_lost_is_missing(house: House) -> None:
    transaction = pay(house)
    lost = house.backend.entries.pop(0)
    (found,) = differences(house)
    assert (found.kind, found.transaction, found.key) == ("missing", transaction, lost.key)
    assert found.ledger.endswith("BRL")


def test_what_the_ledger_never_heard_of_is_extra(house: House) -> None:
    pay(house)
    stray = StatementLine("gb-stray-1", Verb.DEBIT, 100, CARD, Receipt(), house.backend.entries[0].date)
    house.backend.entries.append(stray)
    (found,) = differences(house)
    assert (found.kind, found.key, found.backend) == ("extra", "gb-stray-1", "debit 1.00 BRL")


def test_another_amount_is_a_difference(house: House) -> None:
    pay(house)
    house.backend.entries[0] = replace(house.backend.entries[0], amount=3_999)
    (found,) = differences(house)
    assert found.kind == "amount"
    assert "39.99" in found.backend


def test_what_is_unresolved_is_named_and_repaired_by_resolving_it(house: House) -> None:
    transaction = house.authorize("40.00")
    house.mapper.faults = [unavailable]
    if house.provider.policy.holds is Holds.UPFRONT:
        with pytest.raises(BackendUnavailable):
            house.cancel(transaction, "40.00")
    else:
        with pytest.raises(BackendUnavailable):
            house.settle(transaction, "40.00")
    (found,) = differences(house)
    assert (found.kind, found.repaired) == ("unresolved", False)
    (found,) = differences(house, repair=True)
    assert found.repaired
    assert differences(house) == []


def test_a_hold_the_backend_let_run_out_is_closed_by_repair(native: House) -> None:
    transaction = native.authorize("40.00")
    native.backend.let_run_out(f"{transaction}-1")
    (found,) = differences(native)
    assert (found.kind, found.ledger, found.repaired) == ("state", "authorized", False)

    def already_voided(step, run):  # type: ignore[no-untyped-def]
        return native.backend.entries[-1].receipt

    native.mapper.faults = [already_voided]
    (found,) = differences(native, repair=True)
    assert found.repaired
    assert native.record(transaction).state is State.EXPIRED
    assert native.backend.spendable == 10_000
    assert differences(native) == []


def test_a_hold_that_ran_out_before_it_was_opened_again_is_no_difference(native: House) -> None:
    """What the backend let run out is the first hold, not the one that stands."""
    abandon(native)
    first = native.backend.entries[0]
    transaction = native.authorize("40.00", "order-1")
    native.backend.entries.append(replace(first, key=None, verb=Verb.VOID, receipt=Receipt("ran-out")))
    assert differences(native, repair=True) == []
    assert (native.record(transaction).state, native.backend.held) == (State.AUTHORIZED, 4_000)


def test_what_redis_has_lost_is_found_at_the_backend_and_written_down_again(native: House) -> None:
    transaction = pay(native)
    native.connection._client.flushall()
    (found,) = differences(native)
    assert (found.kind, found.transaction, found.ledger) == ("extra", transaction, "no such transaction")
    (found,) = differences(native, repair=True)
    assert found.repaired
    assert differences(native) == []
    assert native.record(transaction).captured == 3_000


def test_without_repair_nothing_is_changed(native: House) -> None:
    pay(native)
    native.connection._client.flushall()
    differences(native)
    assert native.index.count() == 0


def test_what_redis_has_lost_is_found_whatever_kept_the_money(house: House) -> None:
    """Where the ledger holds, no backend call opened it: the first that was made tells of it."""
    transaction = pay(house)
    house.connection._client.flushall()
    (found,) = differences(house)
    assert (found.kind, found.transaction, found.ledger) == ("extra", transaction, "no such transaction")


def test_a_lost_transaction_is_told_once_on_a_card_that_has_others(house: House) -> None:
    lost, _ = pay(house, "order-1"), pay(house, "order-2")
    lose(house, lost)
    (found,) = differences(house)
    assert (found.kind, found.transaction, found.ledger) == ("extra", lost, "no such transaction")


def test_more_is_told_as_lost_than_is_remembered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.admin.reconciliation.run.REMEMBERED", 1)
    lost = {pay(house, f"order-{number}") for number in range(3)}
    house.connection._client.flushall()
    assert {found.transaction for found in differences(house)} == lost


def test_a_lost_transaction_on_a_card_that_has_others_is_written_down_again(native: House) -> None:
    lost, _ = pay(native, "order-1"), pay(native, "order-2")
    lose(native, lost)
    (found,) = differences(native, repair=True)
    assert (found.transaction, found.repaired) == (lost, True)
    assert differences(native) == []


def test_what_another_provider_on_the_same_account_has_lost_is_that_ones(native: House) -> None:
    lost = pay(native)
    native.connection._client.flushall()
    other = replace(native.provider, id="other")
    native.parts.registry.all = lambda: [other, native.provider]  # type: ignore[method-assign]
    (found,) = differences(native, repair=True)
    assert (found.provider, found.transaction, found.repaired) == (native.provider.id, lost, True)


def test_only_what_was_opened_since_is_compared(house: House) -> None:
    older = pay(house, "order-1")
    since = datetime.fromtimestamp(house.record(older).date / 1000, UTC) + timedelta(milliseconds=1)
    newer = authorized_after(house, since)
    house.settle(newer, "10.00")
    house.backend.entries = [entry for entry in house.backend.entries if entry.key and of(house, newer, entry.key)]
    run = reconciliation(house, since=since)
    assert run.count() == 1
    assert found_by(run) == []
    assert {found.transaction for found in differences(house)} == {older}


def test_older_transactions_on_the_card_are_not_taken_for_extra(house: House) -> None:
    older = pay(house, "order-1")
    since = datetime.fromtimestamp(house.record(older).date / 1000, UTC) + timedelta(milliseconds=1)
    authorized_after(house, since)
    assert differences(house, since=since) == []


@pytest.mark.parametrize("holds", [Holds.NATIVE, Holds.UPFRONT])  # else its opening leaves nothing at the backend
def test_an_abandoned_transaction_on_the_card_is_not_taken_for_extra(
    make_house: MakeHouse, holds: Holds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card's list has only what VTEX knows; the others may lie far away in the bucket."""
    monkeypatch.setattr("app.ledger.storage.index.ROWS", 1)
    house = make_house(holds)
    abandon(house)
    pay(house, "order-2")
    assert differences(house) == []


def test_older_transactions_are_not_taken_for_extra_where_the_backend_keeps_no_notes(house: House) -> None:
    older = pay(house, "order-1")
    since = datetime.fromtimestamp(house.record(older).date / 1000, UTC) + timedelta(milliseconds=1)
    authorized_after(house, since)
    house.backend.entries = [replace(entry, origin=None) for entry in house.backend.entries]
    assert differences(house, since=since) == []


def test_an_older_abandoned_one_is_not_taken_for_extra_where_the_backend_keeps_no_notes(native: House) -> None:
    abandon(native)
    since = datetime.fromtimestamp(native.only_record().date / 1000, UTC) + timedelta(milliseconds=1)
    authorized_after(native, since)
    native.backend.entries = [replace(entry, origin=None) for entry in native.backend.entries]
    assert differences(native, since=since) == []


def test_what_another_provider_did_on_the_same_card_is_not_extra(house: House) -> None:
    first, other = house.provider, replace(house.provider, id="other")
    providers = {provider.id: provider for provider in (first, other)}
    house.parts.registry.get, house.parts.registry.all = providers.get, lambda: list(providers.values())  # type: ignore[method-assign]
    pay(house, "order-1")
    house.provider = other
    pay(house, "order-2")
    assert differences(house) == []


def test_what_was_lost_before_is_not_looked_for(house: House) -> None:
    pay(house, "order-1")
    house.connection._client.flushall()
    assert differences(house, since=datetime.now(UTC) + timedelta(minutes=1)) == []


def test_what_the_ledger_never_heard_of_is_not_looked_for_where_it_is_older(house: House) -> None:
    pay(house)
    since = house.backend.entries[0].date - timedelta(days=1)
    stray = StatementLine("gb-stray-1", Verb.DEBIT, 100, CARD, Receipt(), since - timedelta(days=1))
    house.backend.entries.append(stray)
    assert differences(house, since=since) == []


def test_what_is_unresolved_is_told_however_many_the_card_has(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ledger.storage.index.ROWS", 1)
    for number in range(3):
        pay(house, f"order-{number}")
    unresolved = house.authorize("5.00", "order-9")
    house.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        house.cancel(unresolved, "5.00") if house.provider.policy.holds is Holds.UPFRONT else house.settle(
            unresolved, "5.00"
        )
    (found,) = differences(house)
    assert (found.kind, found.transaction) == ("unresolved", unresolved)


def test_what_is_settled_while_it_is_repaired_is_not_given_back(native: House) -> None:
    transaction = native.authorize("40.00")
    native.backend.let_run_out(f"{transaction}-1")
    append = native.storage.append

    def settled_first(address: Address, new: NewAct) -> Result[AppendAnswer]:
        native.storage.append = append  # type: ignore[method-assign]
        native.mapper.faults = [lambda step, run: Receipt("captured")]
        native.settle(transaction, "40.00")
        return append(address, new)

    native.storage.append = settled_first  # type: ignore[method-assign]
    (found,) = differences(native, repair=True)
    assert (found.kind, found.repaired) == ("state", False)
    assert (native.record(transaction).captured, native.record(transaction).refunded) == (4_000, 0)


def abandon(house: House) -> None:
    """An authorization whose answer was lost, and that nobody came back for."""
    with answers_are_lost(house):
        house.authorize("40.00", "order-1")
    for _ in range(2):
        house.lose_lease(house.only_record().id)
        house.sweep()
    assert house.only_record().state is State.ABANDONED


def authorized_after(house: House, moment: datetime) -> str:
    while house.connection.now_milliseconds() < moment.timestamp() * 1000:
        pass  # Redis's next millisecond
    return house.authorize("20.00", "order-2")


def of(house: House, transaction: str, key: str) -> bool:
    return any(key.startswith(act.oid) for act in house.record(transaction).acts)
