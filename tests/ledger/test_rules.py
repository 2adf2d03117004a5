"""A backend's rules for what a card pays for are asked about with the purchase that it is to pay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.ledger.service import AuthorizationRequest
from app.ledger.transaction import Operation
from mappers.base import Card, CardStatus, CardUnusable, Cart, CartItem, Customer, Holds, InsufficientFunds, Memo
from mappers.deadline import Deadline
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System

PURCHASE = Memo("order-1", "two books", Customer("12345678909"), Cart(4_000, (CartItem("book", 2, 2_000),)))


@pytest.fixture
def system(make_system: MakeSystem) -> System:
    return make_system(Holds.LEDGER)


def pay(system: System, amount: int, request_id: str = "order-1") -> str:
    memo = PURCHASE
    request = AuthorizationRequest(
        CARD, Operation.DEBIT, amount, request_id, memo.description, memo.order_id, memo.customer, memo.cart
    )
    return system.ledger.authorize(system.provider, request, system.deadline())


def rule(system: System, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> list[Memo]:
    """Let the backend's rules change what the card is worth for a purchase; return the purchases it was asked about."""
    asked = []

    def card_for(card_id: str, memo: Memo, deadline: Deadline) -> Card:
        asked.append(memo)
        return replace(system.mapper.get_card(card_id, deadline), **changes)

    monkeypatch.setattr(system.mapper, "card_for", card_for)
    return asked


def test_the_ledger_holds_no_money_of_a_card_that_does_not_pay_for_this_purchase(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = rule(system, monkeypatch, status=CardStatus.RULED_OUT)
    with pytest.raises(CardUnusable, match="not for this purchase"):
        pay(system, 4_000)
    assert asked == [PURCHASE]


def test_the_ledger_holds_no_more_than_the_card_pays_of_this_purchase(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(system, monkeypatch, balance=3_000)
    with pytest.raises(InsufficientFunds):
        pay(system, 3_001, "order-1")
    pay(system, 3_000, "order-2")
    assert system.standing.reserved == 3_000
