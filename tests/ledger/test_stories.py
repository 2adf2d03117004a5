"""What shoppers and Redis servers do, on every kind of hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from unittest.mock import Mock

import pytest

from app.ledger import names
from app.ledger.errors import AmountExceeded, RequestConflict, TransactionNotFound
from app.ledger.service import ChangeRequest
from app.ledger.transaction import Part, State
from mappers.base import BackendUnavailable, Holds, InsufficientFunds
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System
from tests.money import minor


@pytest.fixture(params=list(Holds))
def system(request: pytest.FixtureRequest, make_system: MakeSystem) -> System:
    return make_system(request.param)


def spendable(system: System) -> int:
    return system.cards.get(system.provider, CARD, system.deadline()).balance


def test_an_authorized_amount_cannot_be_spent_again(system: System) -> None:
    system.authorize("40.00")
    assert spendable(system) == 6_000


def test_paid_and_settled(system: System) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    assert system.backend.spendable == 6_000
    assert spendable(system) == 6_000
    assert system.settlements(transaction) == [Decimal("40.00")]
    assert system.cancellations(transaction) == []
    assert system.record(transaction).state is State.CLOSED


def test_paid_and_canceled(system: System) -> None:
    transaction = system.authorize("40.00")
    system.cancel(transaction, "40.00")
    assert system.backend.spendable == 10_000
    assert spendable(system) == 10_000
    assert system.cancellations(transaction) == [Decimal("40.00")]
    assert system.record(transaction).state is State.CLOSED


def test_settled_in_parts_canceled_in_part_and_refunded(system: System) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "10.00", "s1")
    system.cancel(transaction, "5.00", "c1")
    system.settle(transaction, "25.00", "s2")
    assert spendable(system) == 10_000 - 3_500
    system.cancel(transaction, "30.00", "c2")
    assert system.backend.spendable == 10_000 - 500
    assert spendable(system) == 10_000 - 500
    assert system.settlements(transaction) == [Decimal("10.00"), Decimal("25.00")]
    assert system.cancellations(transaction) == [Decimal("5.00"), Decimal("30.00")]


def test_credit_adds_value_at_once(system: System) -> None:
    transaction = system.authorize("12.34", operation="Credit")
    assert spendable(system) == 11_234
    system.settle(transaction, "12.34")
    assert spendable(system) == 11_234
    system.sweep()
    assert spendable(system) == 11_234


def test_a_canceled_credit_takes_the_value_back(system: System) -> None:
    transaction = system.authorize("12.34", operation="Credit")
    system.cancel(transaction, "12.34")
    assert spendable(system) == 10_000


def test_a_card_that_does_not_hold_enough_pays_nothing(system: System) -> None:
    with pytest.raises(InsufficientFunds):
        system.authorize("100.01")
    assert spendable(system) == 10_000
    assert system.ledger.transactions(system.provider, CARD, system.deadline()) == []


def test_two_reservations_share_one_balance(system: System) -> None:
    system.authorize("60.00", "order-1")
    with pytest.raises(InsufficientFunds):
        system.authorize("40.01", "order-2")
    system.authorize("40.00", "order-3")
    assert spendable(system) == 0


def test_the_same_request_moves_money_once_and_answers_the_same(system: System) -> None:
    assert system.authorize("40.00") == system.authorize("40.00")
    assert spendable(system) == 6_000


def test_a_refusal_is_answered_again(system: System) -> None:
    for _ in range(2):
        with pytest.raises(InsufficientFunds, match="does not hold enough"):
            system.authorize("100.01")


def test_the_same_request_with_another_value_is_a_conflict(system: System) -> None:
    transaction = system.authorize("40.00")
    with pytest.raises(RequestConflict):
        system.authorize("41.00")
    system.settle(transaction, "10.00", "s1")
    with pytest.raises(RequestConflict):
        system.settle(transaction, "11.00", "s1")
    assert system.settlements(transaction) == [Decimal("10.00")]


def test_a_repeated_settlement_and_cancellation_answer_the_first_one(system: System) -> None:
    transaction = system.authorize("40.00")
    assert system.settle(transaction, "10.00") == system.settle(transaction, "10.00")
    assert system.cancel(transaction, "10.00") == system.cancel(transaction, "10.00")
    assert system.settlements(transaction) == [Decimal("10.00")]
    assert spendable(system) == 7_000


def test_one_request_id_may_name_a_settlement_and_a_cancellation(system: System) -> None:
    transaction = system.authorize("40.00")
    assert system.settle(transaction, "10.00", "same") != system.cancel(transaction, "10.00", "same")


@pytest.mark.parametrize(("settled", "canceled", "too_much"), [("30.00", "5.00", "5.01"), ("0.01", "0.01", "39.99")])
def test_no_more_is_settled_than_is_left(system: System, settled: str, canceled: str, too_much: str) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, settled, "s1")
    system.cancel(transaction, canceled, "c1")
    before = spendable(system)
    with pytest.raises(AmountExceeded):
        system.settle(transaction, too_much, "s2")
    assert spendable(system) == before


def test_no_more_is_given_back_than_was_authorized(system: System) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "30.00", "s1")
    system.cancel(transaction, "25.00", "c1")
    with pytest.raises(AmountExceeded, match=r"at most 15.00 BRL can still be canceled"):
        system.cancel(transaction, "15.01", "c2")
    system.cancel(transaction, "15.00", "c3")
    assert spendable(system) == 10_000


def test_a_transaction_is_found_only_on_its_own_card(system: System) -> None:
    transaction = system.authorize("40.00")
    with pytest.raises(TransactionNotFound):
        system.ledger.transaction(system.provider, "another", transaction, system.deadline())
    with pytest.raises(TransactionNotFound):
        system.ledger.transaction(system.provider, CARD, "gb-00" + "0" * 32, system.deadline())
    with pytest.raises(TransactionNotFound):
        system.ledger.transaction(system.provider, CARD, "nonsense", system.deadline())


def test_a_transaction_is_settled_and_canceled_only_on_its_own_card(system: System) -> None:
    """Another card's, whose keys lie in the same place: one in 128 is such a card."""
    transaction = system.authorize("40.00")
    cards = (f"card-{number}" for number in count(2))
    other = next(card for card in cards if names.bucket_of_card(card) == names.bucket_of_transaction(transaction))
    for change in (system.ledger.settle, system.ledger.cancel):
        with pytest.raises(TransactionNotFound):
            change(system.provider, ChangeRequest(other, transaction, minor(40), "change-1"), system.deadline(0.5))
    assert len(system.record(transaction).acts) == 1


def test_by_hand_one_part_of_the_money_is_given_back(system: System) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "15.00")
    for part, value in ((Part.RESERVED, "25.00"), (Part.SETTLED, "5.00")):
        change = ChangeRequest(CARD, transaction, minor(value), f"by-hand-{part}", only=part)
        system.ledger.cancel(system.provider, change, system.deadline())
    record = system.record(transaction)
    assert (record.voided, record.refunded) == (2_500, 500)


def test_a_transaction_reads_back_as_it_was_made(system: System) -> None:
    transaction = system.authorize("40.00")
    view = system.ledger.transaction(system.provider, CARD, transaction, system.deadline())
    assert (view.id, view.amount, view.operation, view.request_id) == (transaction, 4_000, "Debit", "order-1")
    assert system.ledger.transactions(system.provider, CARD, system.deadline()) == [transaction]


def test_an_expired_authorization_goes_back_to_the_shopper_and_shows_as_canceled(system: System) -> None:
    transaction = system.authorize("40.00")
    assert system.sweep() == {"expired": 1}
    assert spendable(system) == 10_000
    assert system.cancellations(transaction) == [Decimal("40.00")]
    assert system.record(transaction).state is State.EXPIRED
    with pytest.raises(AmountExceeded):
        system.settle(transaction, "1.00")


def test_the_rest_of_a_partly_settled_one_goes_back(system: System) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "30.00")
    assert system.sweep() == {"remainder": 1}
    assert spendable(system) == 7_000
    assert system.cancellations(transaction) == [Decimal("10.00")]
    system.cancel(transaction, "30.00", "refund")
    assert spendable(system) == 10_000


def test_nothing_is_swept_before_its_time(system: System) -> None:
    system.authorize("40.00")
    assert system.sweeper.sweep_once().counts == {}


def test_a_settlement_begins_the_time_of_the_rest_and_a_cancellation_does_not(system: System) -> None:
    system = system.changed(policy=replace(system.provider.policy, remainder_ttl=timedelta(days=3)))
    transaction = system.authorize("40.00")
    until = system.record(transaction).expires_at
    system.cancel(transaction, "10.00")
    assert system.record(transaction).expires_at == until
    system.settle(transaction, "10.00")
    left = system.record(transaction).expires_at - system.connection.now_milliseconds()
    assert timedelta(days=2) < timedelta(milliseconds=left) <= timedelta(days=3)


@pytest.mark.parametrize("holds", [Holds.NATIVE, Holds.UPFRONT])
def test_a_backend_that_holds_or_takes_the_money_judges_a_payment_itself(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch, holds: Holds
) -> None:
    system = make_system(holds)
    monkeypatch.setattr(system.mapper, "get_card", Mock(side_effect=BackendUnavailable("down")))
    assert system.authorize("40.00")
