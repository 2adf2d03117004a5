"""What shoppers and Redis servers do, on every kind of hold."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.ledger.errors import AmountExceeded, RequestConflict, TransactionNotFound
from app.ledger.transaction import State
from mappers.base import Holds, InsufficientFunds
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import CARD


@pytest.fixture(params=list(Holds))
def house(request: pytest.FixtureRequest, make_house: MakeHouse) -> House:
    return make_house(request.param)


def spendable(house: House) -> int:
    return house.cards.get(house.provider, CARD, house.deadline()).balance


def test_an_authorized_amount_cannot_be_spent_again(house: House) -> None:
    house.authorize("40.00")
    assert spendable(house) == 6_000


def test_paid_and_settled(house: House) -> None:
    transaction = house.authorize("40.00")
    house.settle(transaction, "40.00")
    assert house.backend.spendable == 6_000
    assert spendable(house) == 6_000
    assert house.settlements(transaction) == [Decimal("40.00")]
    assert house.cancellations(transaction) == []
    assert house.record(transaction).state is State.CLOSED


def test_paid_and_canceled(house: House) -> None:
    transaction = house.authorize("40.00")
    house.cancel(transaction, "40.00")
    assert house.backend.spendable == 10_000
    assert spendable(house) == 10_000
    assert house.cancellations(transaction) == [Decimal("40.00")]
    assert house.record(transaction).state is State.CLOSED


def test_settled_in_parts_canceled_in_part_and_refunded(house: House) -> None:
    transaction = house.authorize("40.00")
    house.settle(transaction, "10.00", "s1")
    house.cancel(transaction, "5.00", "c1")
    house.settle(transaction, "25.00", "s2")
    assert spendable(house) == 10_000 - 3_500
    house.cancel(transaction, "30.00", "c2")
    assert house.backend.spendable == 10_000 - 500
    assert spendable(house) == 10_000 - 500
    assert house.settlements(transaction) == [Decimal("10.00"), Decimal("25.00")]
    assert house.cancellations(transaction) == [Decimal("5.00"), Decimal("30.00")]


def test_credit_adds_value_at_once(house: House) -> None:
    transaction = house.authorize("12.34", operation="Credit")
    assert spendable(house) == 11_234
    house.settle(transaction, "12.34")
    assert spendable(house) == 11_234
    house.sweep()
    assert spendable(house) == 11_234


def test_a_canceled_credit_takes_the_value_back(house: House) -> None:
    transaction = house.authorize("12.34", operation="Credit")
    house.cancel(transaction, "12.34")
    assert spendable(house) == 10_000


def test_a_card_that_does_not_hold_enough_pays_nothing(house: House) -> None:
    with pytest.raises(InsufficientFunds):
        house.authorize("100.01")
    assert spendable(house) == 10_000
    assert house.ledger.transactions(house.provider, CARD, house.deadline()) == []


def test_two_reservations_share_one_balance(house: House) -> None:
    house.authorize("60.00", "order-1")
    with pytest.raises(InsufficientFunds):
        house.authorize("40.01", "order-2")
    house.authorize("40.00", "order-3")
    assert spendable(house) == 0


def test_the_same_request_moves_money_once_and_answers_the_same(house: House) -> None:
    assert house.authorize("40.00") == house.authorize("40.00")
    assert spendable(house) == 6_000


def test_a_refusal_is_answered_again(house: House) -> None:
    for _ in range(2):
        with pytest.raises(InsufficientFunds, match="does not hold enough"):
            house.authorize("100.01")


def test_the_same_request_with_another_value_is_a_conflict(house: House) -> None:
    transaction = house.authorize("40.00")
    with pytest.raises(RequestConflict):
        house.authorize("41.00")
    house.settle(transaction, "10.00", "s1")
    with pytest.raises(RequestConflict):
        house.settle(transaction, "11.00", "s1")
    assert house.settlements(transaction) == [Decimal("10.00")]


def test_a_repeated_settlement_and_cancellation_answer_the_first_one(house: House) -> None:
    transaction = house.authorize("40.00")
    assert house.settle(transaction, "10.00") == house.settle(transaction, "10.00")
    assert house.cancel(transaction, "10.00") == house.cancel(transaction, "10.00")
    assert house.settlements(transaction) == [Decimal("10.00")]
    assert spendable(house) == 7_000


def test_one_request_id_may_name_a_settlement_and_a_cancellation(house: House) -> None:
    transaction = house.authorize("40.00")
    assert house.settle(transaction, "10.00", "same") != house.cancel(transaction, "10.00", "same")


@pytest.mark.parametrize(("settled", "canceled", "too_much"), [("30.00", "5.00", "5.01"), ("0.01", "0.01", "39.99")])
def test_no_more_is_settled_than_is_left(house: House, settled: str, canceled: str, too_much: str) -> None:
    transaction = house.authorize("40.00")
    house.settle(transaction, settled, "s1")
    house.cancel(transaction, canceled, "c1")
    before = spendable(house)
    with pytest.raises(AmountExceeded):
        house.settle(transaction, too_much, "s2")
    assert spendable(house) == before


def test_no_more_is_given_back_than_was_authorized(house: House) -> None:
    transaction = house.authorize("40.00")
    house.settle(transaction, "30.00", "s1")
    house.cancel(transaction, "25.00", "c1")
    with pytest.raises(AmountExceeded, match=r"at most 15.00 BRL can still be canceled"):
        house.cancel(transaction, "15.01", "c2")
    house.cancel(transaction, "15.00", "c3")
    assert spendable(house) == 10_000


def test_a_transaction_is_found_only_on_its_own_card(house: House) -> None:
    transaction = house.authorize("40.00")
    with pytest.raises(TransactionNotFound):
        house.ledger.transaction(house.provider, "another", transaction, house.deadline())
    with pytest.raises(TransactionNotFound):
        house.ledger.transaction(house.provider, CARD, "gb-00" + "0" * 32, house.deadline())
    with pytest.raises(TransactionNotFound):
        house.ledger.transaction(house.provider, CARD, "nonsense", house.deadline())


def test_a_transaction_reads_back_as_it_was_made(house: House) -> None:
    transaction = house.authorize("40.00")
    view = house.ledger.transaction(house.provider, CARD, transaction, house.deadline())
    assert (view.id, view.amount, view.operation, view.request_id) == (transaction, 4_000, "Debit", "order-1")
    assert house.ledger.transactions(house.provider, CARD, house.deadline()) == [transaction]


def test_an_expired_authorization_goes_back_to_the_shopper_and_shows_as_canceled(house: House) -> None:
    transaction = house.authorize("40.00")
    assert house.sweep() == {"expired": 1}
    assert spendable(house) == 10_000
    assert house.cancellations(transaction) == [Decimal("40.00")]
    assert house.record(transaction).state is State.EXPIRED
    with pytest.raises(AmountExceeded):
        house.settle(transaction, "1.00")


def test_the_rest_of_a_partly_settled_one_goes_back(house: House) -> None:
    transaction = house.authorize("40.00")
    house.settle(transaction, "30.00")
    assert house.sweep() == {"remainder": 1}
    assert spendable(house) == 7_000
    assert house.cancellations(transaction) == [Decimal("10.00")]
    house.cancel(transaction, "30.00", "refund")
    assert spendable(house) == 10_000


def test_nothing_is_swept_before_its_time(house: House) -> None:
    house.authorize("40.00")
    assert house.sweeper.sweep_once().counts == {}
