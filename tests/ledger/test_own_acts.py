"""The ledger's own acts have names of their own: no requestId of VTEX can equal one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.ledger.transaction import Reason, State
from mappers.base import Holds
from tests.ledger.conftest import House, MakeHouse


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house(Holds.NATIVE)


@pytest.mark.parametrize("reason", Reason)
def test_a_cancellation_named_like_an_own_act_survives_the_loss_of_the_ledger(house: House, reason: Reason) -> None:
    transaction = house.authorize("40.00")
    house.cancel(transaction, "40.00", f"{reason}-1")
    house.connection.call(lambda client: client.flushall())
    assert house.cancellations(transaction) == [Decimal("40.00")]
    assert house.record(transaction).state is State.CLOSED


@pytest.mark.parametrize("reason", Reason)
def test_a_cancellation_named_like_an_own_act_does_not_keep_the_rest_reserved(house: House, reason: Reason) -> None:
    transaction = house.authorize("40.00")
    house.cancel(transaction, "5.00", f"{reason}-2")
    assert house.sweep() == {"expired": 1}
    assert house.backend.spendable == 10_000


def test_an_own_act_keeps_its_reason_through_the_loss_of_the_ledger(house: House) -> None:
    transaction = house.authorize("40.00")
    house.settle(transaction, "10.00")
    house.sweep()
    house.connection.call(lambda client: client.flushall())
    assert house.cancellations(transaction) == [Decimal("30.00")]
    assert [act.reason for act in house.record(transaction).acts] == [Reason.REQUEST, Reason.REQUEST, Reason.REMAINDER]
