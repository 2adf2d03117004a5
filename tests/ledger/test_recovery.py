"""A Redis that has lost everything: where the backend holds the money, every order goes on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.ledger.errors import AmountExceeded, TransactionNotFound
from app.ledger.transaction import State
from mappers.base import Holds
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import CARD


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house(Holds.NATIVE)


def wipe(house: House) -> None:
    house.connection._client.flushall()


def test_an_authorized_transaction_is_settled_after_the_loss(house: House) -> None:
    transaction = house.authorize("40.00")
    wipe(house)
    house.settle(transaction, "40.00")
    assert house.settlements(transaction) == [Decimal("40.00")]
    assert house.backend.held == 0
    assert house.backend.spendable == 6_000


def test_an_authorized_transaction_is_canceled_after_the_loss(house: House) -> None:
    transaction = house.authorize("40.00")
    wipe(house)
    house.cancel(transaction, "40.00")
    assert house.backend.spendable == 10_000
    assert house.record(transaction).state is State.CLOSED


def test_lists_and_caps_are_what_they_were(house: House) -> None:
    transaction = house.authorize("40.00")
    house.settle(transaction, "25.00", "s1")
    house.cancel(transaction, "20.00", "c1")
    wipe(house)
    assert house.ledger.transactions(house.provider, CARD, house.deadline()) == [transaction]
    assert house.settlements(transaction) == [Decimal("25.00")]
    assert house.cancellations(transaction) == [Decimal("20.00")]
    with pytest.raises(AmountExceeded):
        house.cancel(transaction, "20.01", "c2")
    house.cancel(transaction, "20.00", "c2")
    assert house.backend.spendable == 10_000


def test_the_transaction_reads_back_with_its_request(house: House) -> None:
    transaction = house.authorize("40.00", "order-7")
    wipe(house)
    view = house.ledger.transaction(house.provider, CARD, transaction, house.deadline())
    assert (view.amount, view.request_id, view.operation) == (4_000, "order-7", "Debit")


def test_a_repeated_settlement_is_known_again(house: House) -> None:
    transaction = house.authorize("40.00")
    oid = house.settle(transaction, "40.00", "s1")
    wipe(house)
    assert house.settle(transaction, "40.00", "s1") == oid
    assert house.backend.effects.total() == 2


def test_the_repeat_of_the_authorization_moves_nothing(house: House) -> None:
    transaction = house.authorize("40.00")
    wipe(house)
    assert house.authorize("40.00") == transaction
    assert house.backend.effects.total() == 1


def test_a_hold_the_backend_let_run_out_is_restored_as_expired(house: House) -> None:
    transaction = house.authorize("40.00")
    house.backend.let_run_out(f"{transaction}-1")
    wipe(house)
    assert house.cancellations(transaction) == [Decimal("40.00")]
    assert house.record(transaction).state is State.EXPIRED


def test_what_is_restored_expires_as_it_would_have(house: House) -> None:
    transaction = house.authorize("40.00")
    before = house.record(transaction).expires_at
    wipe(house)
    house.settlements(transaction)
    assert abs(house.record(transaction).expires_at - before) < 5_000
    assert house.sweep() == {"expired": 1}
    assert house.backend.spendable == 10_000


def test_an_id_that_never_was_stays_unknown(house: House) -> None:
    transaction = house.authorize("40.00")
    with pytest.raises(TransactionNotFound):
        house.settlements(transaction[:-4] + "0000")


@pytest.mark.parametrize("holds", [Holds.LEDGER, Holds.UPFRONT])
def test_what_only_the_ledger_knew_is_not_made_up(make_house: MakeHouse, holds: Holds) -> None:
    house = make_house(holds)
    transaction = house.authorize("40.00")
    wipe(house)
    with pytest.raises(TransactionNotFound):
        house.settle(transaction, "40.00")
