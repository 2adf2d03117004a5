"""A ledger that goes on while it is compared: what is under way is no difference, and what stays so is one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mappers.base import BackendUnavailable, Holds, Verb
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import unavailable
from tests.ledger.reconciling import answers_are_lost, differences, meanwhile, opened_long_ago, pay

NOW = timedelta(0)
LEASE_SECONDS = 30


@pytest.fixture(params=list(Holds))
def house(request: pytest.FixtureRequest, make_house: MakeHouse) -> House:
    return make_house(request.param)


@pytest.fixture
def native(make_house: MakeHouse) -> House:
    return make_house(Holds.NATIVE)


def test_a_settlement_that_finishes_while_the_backend_is_asked_is_not_extra(house: House) -> None:
    transaction = house.authorize("40.00")
    meanwhile(house, lambda: house.settle(transaction, "40.00"))
    assert differences(house) == []


def test_a_settlement_that_is_under_way_while_the_backend_is_asked_is_not_extra(native: House) -> None:
    transaction = native.authorize("40.00")

    def begin_to_settle() -> None:
        with answers_are_lost(native):
            native.settle(transaction, "40.00")

    meanwhile(native, begin_to_settle)
    assert differences(native) == []


def test_a_transaction_opened_while_the_backend_is_asked_is_not_extra(house: House) -> None:
    pay(house, "order-1")
    meanwhile(house, lambda: pay(house, "order-2"))
    assert differences(house) == []


def test_a_refund_that_leaves_no_trace_while_the_backend_is_asked_is_not_missing(make_house: MakeHouse) -> None:
    """A backend that deletes what is given back shows neither; until the answer is there, only it knows."""
    house = make_house(Holds.UPFRONT)
    transaction = house.authorize("40.00")

    def delete() -> None:
        with answers_are_lost(house):
            house.cancel(transaction, "40.00")
        house.backend.entries.clear()

    meanwhile(house, delete)
    assert differences(house) == []


def test_a_hold_that_is_canceled_after_it_ran_out_while_the_backend_is_asked_is_in_order(native: House) -> None:
    transaction = native.authorize("40.00")

    def run_out_and_cancel() -> None:
        native.backend.let_run_out(f"{transaction}-1")
        native.mapper.faults = [lambda step, run: native.backend.entries[-1].receipt]
        native.cancel(transaction, "40.00")

    meanwhile(native, run_out_and_cancel)
    assert differences(native) == []


def test_what_the_backend_does_not_show_yet_is_not_missing(house: House) -> None:
    transaction = house.authorize("40.00")
    house.settle(transaction, "40.00")
    house.backend.entries.clear()
    house.mapper.read_lag_seconds = 60  # type: ignore[misc]
    assert differences(house, later=timedelta(seconds=LEASE_SECONDS + 50)) == []
    assert [found.kind for found in differences(house, later=timedelta(seconds=LEASE_SECONDS + 70))] != []


def test_what_was_resolved_a_moment_ago_is_not_missing_however_old_it_is(native: House) -> None:
    transaction = native.authorize("40.00")
    native.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        native.settle(transaction, "40.00")
    opened_long_ago(native, transaction, act=1)
    native.sweep()
    native.backend.entries.pop()
    assert differences(native, later=NOW) == []
    assert [found.kind for found in differences(native)] == ["missing"]


def test_what_came_a_moment_ago_is_not_extra(native: House) -> None:
    pay(native)
    native.connection._client.flushall()
    assert differences(native, later=NOW) == []


def test_what_is_under_way_is_not_told_as_unresolved(native: House) -> None:
    transaction = native.authorize("40.00")
    native.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        native.settle(transaction, "40.00")
    assert differences(native, later=NOW) == []
    assert [found.kind for found in differences(native)] == ["unresolved"]


def test_what_is_tried_again_and_again_is_told_as_unresolved(native: House) -> None:
    transaction = native.authorize("40.00")
    native.mapper.faults = [unavailable, unavailable]
    with pytest.raises(BackendUnavailable):
        native.settle(transaction, "40.00")
    opened_long_ago(native, transaction, act=1)
    native.sweep()
    assert [found.kind for found in differences(native, later=NOW)] == ["unresolved"]


def test_what_was_repaired_is_compared_in_the_same_run(native: House) -> None:
    transaction = native.authorize("40.00")
    native.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        native.settle(transaction, "40.00")
    native.backend.entries.clear()
    found = differences(native, repair=True)
    assert [(one.kind, one.repaired) for one in found] == [("unresolved", True), ("missing", False)]
    assert found[1].ledger.startswith(Verb.HOLD)
