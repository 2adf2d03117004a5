"""What the ledger believes and what the backend has on record are compared, and every difference is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.admin.reconcile import Difference, reconcile
from app.ledger.transaction import State
from mappers.base import BackendUnavailable, Entry, Holds, Receipt, Verb
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import CARD, unavailable


@pytest.fixture(params=list(Holds))
def house(request: pytest.FixtureRequest, make_house: MakeHouse) -> House:
    return make_house(request.param)


@pytest.fixture
def native(make_house: MakeHouse) -> House:
    return make_house(Holds.NATIVE)


def differences(house: House, *, repair: bool = False) -> list[Difference]:
    return list(reconcile(house.parts, None, None, repair, lambda count: None))


def pay(house: House, request_id: str = "order-1") -> str:
    transaction = house.authorize("40.00", request_id)
    house.settle(transaction, "30.00", f"{request_id}-s")
    house.cancel(transaction, "20.00", f"{request_id}-c")
    return transaction


def test_where_both_agree_there_is_nothing_to_say(house: House) -> None:
    pay(house, "order-1")
    pay(house, "order-2")
    assert differences(house) == []


def test_progress_counts_every_transaction(house: House) -> None:
    pay(house, "order-1")
    pay(house, "order-2")
    counted: list[int] = []
    list(reconcile(house.parts, None, None, False, counted.append))
    assert sum(counted) == house.index.count() == 2


def test_what_the_backend_has_lost_is_missing(house: House) -> None:
    transaction = pay(house)
    lost = house.backend.entries.pop(0)
    (found,) = differences(house)
    assert (found.kind, found.transaction, found.key) == ("missing", transaction, lost.key)
    assert found.ledger.endswith("BRL")


def test_what_the_ledger_never_heard_of_is_extra(house: House) -> None:
    pay(house)
    stray = Entry("gb-stray-1", Verb.DEBIT, 100, CARD, Receipt(), house.backend.entries[0].date)
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
    assert (found.kind, found.ledger, found.repaired) == ("state", "authorised", False)

    def already_released(step, run):  # type: ignore[no-untyped-def]
        return native.backend.entries[-1].receipt

    native.mapper.faults = [already_released]
    (found,) = differences(native, repair=True)
    assert found.repaired
    assert native.record(transaction).state is State.EXPIRED
    assert native.backend.spendable == 10_000
    assert differences(native) == []


def test_what_the_store_has_lost_is_found_at_the_backend_and_written_down_again(native: House) -> None:
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
