"""What an attack found about cards that several transactions share, and about a Redis that lost everything."""

from __future__ import annotations

import time

import pytest

from mappers import whole_capture
from mappers.base import BackendUnavailable, Holds, InsufficientFunds, OutcomeUnknown
from tests.ledger.conftest import MakeHouse
from tests.ledger.model import CARD, lost_after


def test_a_credit_is_not_taken_back_from_what_is_reserved(make_house: MakeHouse) -> None:
    house = make_house(Holds.LEDGER)
    credit = house.authorize("40.00", "credit-1", "Credit")
    debit = house.authorize("140.00", "order-2")
    with pytest.raises(InsufficientFunds):
        house.cancel(credit, "40.00")
    house.settle(debit, "140.00")


def test_a_balance_read_before_a_credit_was_taken_back_is_read_again(make_house: MakeHouse) -> None:
    house = make_house(Holds.LEDGER)
    credit = house.authorize("40.00", "credit-1", "Credit")

    def take_back() -> None:
        house.mapper.on_look = None
        house.cancel(credit, "40.00")

    house.mapper.on_look = take_back
    with pytest.raises(InsufficientFunds):
        house.authorize("140.00", "order-2")
    assert house.storage.standing(house.provider.id, CARD) == (0, 0)


def test_a_settled_credit_leaves_nothing_on_its_way(make_house: MakeHouse) -> None:
    house = make_house(Holds.LEDGER)
    house.settle(house.authorize("40.00", "credit-1", "Credit"), "40.00")
    with pytest.raises(InsufficientFunds):
        house.authorize("150.00", "order-2")


def test_while_money_is_on_its_way_the_backend_is_not_asked_in_a_loop(make_house: MakeHouse) -> None:
    house = make_house(Holds.LEDGER, settle="accept")
    house.settle(house.authorize("60.00"), "60.00")
    reads: list[int] = []
    house.mapper.on_look = lambda: reads.append(1)
    house.parts.executor._sleep = time.sleep
    with pytest.raises(BackendUnavailable):
        house.ledger.authorize(house.provider, house.wish("50.00", "order-2"), house.deadline(0.3))
    assert len(reads) < 10


def test_after_a_loss_what_was_undone_is_no_authorization(make_house: MakeHouse) -> None:
    house = make_house(Holds.NATIVE)
    house.mapper.faults = [lost_after]
    with house.cut_off(), pytest.raises(OutcomeUnknown):
        house.authorize("40.00")
    for _ in range(2):
        house.sweep()
    address = house.only_record().address
    house.connection.call(lambda client: client.flushall())
    house.parts.recovery.transaction(house.provider, address, house.deadline())
    house.authorize("40.00")
    assert house.backend.held == 4_000


def test_after_a_loss_the_rest_of_what_was_captured_whole_is_not_given_back_by_a_machine(make_house: MakeHouse) -> None:
    """A later settlement needed no call, and left no trace."""
    house = make_house(Holds.NATIVE)
    house.mapper.plan = lambda act, facts: whole_capture.plan(act, facts, refund_whole=False)  # type: ignore[method-assign]
    transaction = house.authorize("60.00")
    house.settle(transaction, "40.00", "s1")
    house.settle(transaction, "20.00", "s2")
    house.connection.call(lambda client: client.flushall())
    house.settlements(transaction)
    client = house.connection._client
    (due,) = [score for key in client.scan_iter("gb:*:due") if (score := client.zscore(key, transaction))]
    assert due > house.connection.now_milliseconds() + 100 * 365 * 24 * 3600 * 1000
