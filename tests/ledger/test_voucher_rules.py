"""What Voucherify's rules forbid is refused at authorization, and what they allow can be settled, in any parts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.ledger.transaction import State
from mappers.base import CardUnusable, Cart, CartItem, Customer, InsufficientFunds, Memo
from tests.ledger.sandbox_system import SandboxSystem

ANA = Customer("12345678909", email="Ana@example.com", document="12345678909")  # as VTEX's transactions tell of her


def order(*prices: int, customer: Customer | None = ANA) -> Memo:
    """Return a purchase of one product for each price, in minor units: sku-1, sku-2 and so on."""
    items = tuple(CartItem(f"sku-{number}", 1, price) for number, price in enumerate(prices, start=1))
    return Memo("order-1", customer=customer, cart=Cart(sum(prices), items))


def take(voucherify: SandboxSystem, code: str) -> None:
    voucherify.card = voucherify.backend.find(code)


def test_a_card_for_larger_orders_is_refused_at_authorization(voucherify: SandboxSystem) -> None:
    take(voucherify, "VOUCHERIFY-ORDERS-FROM-200-50")
    with pytest.raises(CardUnusable):
        voucherify.authorize("20", memo=order(199_99))
    assert voucherify.system.only_record().state is State.REFUSED


def test_a_card_for_larger_orders_pays_a_part_of_one_and_is_settled_in_parts(voucherify: SandboxSystem) -> None:
    take(voucherify, "VOUCHERIFY-ORDERS-FROM-200-50")
    transaction = voucherify.authorize("20", memo=order(150_00, 50_00))
    voucherify.settle(transaction, "8", "s1")
    voucherify.settle(transaction, "12", "s2")
    assert voucherify.card.balance == 30_00


def test_a_card_for_its_holder_pays_for_the_customer_whom_vtex_names(voucherify: SandboxSystem) -> None:
    take(voucherify, "VOUCHERIFY-HOLDER-50")
    voucherify.settle(voucherify.authorize("20", memo=order(100_00)), "20", "s1")
    assert voucherify.card.balance == 30_00


@pytest.mark.parametrize("customer", [None, Customer("bob@example.com", email="bob@example.com")])
def test_a_card_for_its_holder_is_refused_to_others_at_authorization(
    voucherify: SandboxSystem, customer: Customer | None
) -> None:
    take(voucherify, "VOUCHERIFY-HOLDER-50")
    with pytest.raises(CardUnusable):
        voucherify.authorize("20", memo=order(100_00, customer=customer))


def test_a_card_for_some_products_pays_no_more_than_they_cost(voucherify: SandboxSystem) -> None:
    take(voucherify, "VOUCHERIFY-PRODUCT-50")
    with pytest.raises(InsufficientFunds):
        voucherify.authorize("20.01", "order-1", order(20_00, 100_00))
    voucherify.settle(voucherify.authorize("20", "order-2", order(20_00, 100_00)), "20", "s1")
    assert voucherify.card.balance == 30_00


def test_a_card_valid_on_other_days_is_refused_at_authorization(voucherify: SandboxSystem) -> None:
    take(voucherify, "VOUCHERIFY-OTHER-DAY-50")
    with pytest.raises(CardUnusable):
        voucherify.authorize("20", memo=order(100_00))


def test_a_card_valid_on_some_days_pays_at_once_and_is_settled_on_any(voucherify: SandboxSystem) -> None:
    take(voucherify, "VOUCHERIFY-OTHER-DAY-50")
    today = datetime.now(UTC).isoweekday()
    voucherify.card.weekdays = (today,)
    transaction = voucherify.authorize("20", memo=order(100_00))
    assert voucherify.card.balance == 30_00
    voucherify.card.weekdays = (today % 7 + 1,)
    voucherify.settle(transaction, "20", "s1")
    assert voucherify.card.balance == 30_00
