"""With `locks`, Voucherify keeps what the ledger reserves of a voucher from its other channels."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mappers.base import CardUnusable, Cart, CartItem, InsufficientFunds, Memo, Query
from mappers.deadline import Deadline
from mappers.sandbox.faults import FaultKind
from mappers.voucherify.mapper import Voucherify
from mappers.voucherify.sandbox_model import ApiError
from tests.ledger.sandbox_system import SandboxSystem

PURCHASE = Memo(cart=Cart(120_00, (CartItem("sku-1", 1, 120_00),)))


@pytest.fixture
def locked(voucherify: SandboxSystem) -> SandboxSystem:
    """A provider with `locks`, and a voucher of 100.00."""
    mapper = voucherify.mapper
    options = replace(mapper.options, locks=True)
    card = voucherify.backend.find("VOUCHERIFY-ACTIVE-100")
    return replace(voucherify, mapper=Voucherify("shop", mapper.currency, mapper.holds, options), card=card)


def soon() -> Deadline:
    return Deadline.after(10)


def locks(system: SandboxSystem) -> int:
    """What is locked of the voucher now, in hundredths."""
    return sum(session.credits for session in system.card.sessions.values())


def test_a_till_cannot_spend_what_is_reserved(locked: SandboxSystem) -> None:
    transaction = locked.authorize("70")
    with pytest.raises(ApiError, match="gift_amount_exceeded"):
        locked.backend.spend_elsewhere(locked.card.code, 30_01)
    locked.backend.spend_elsewhere(locked.card.code, 30_00)
    locked.settle(transaction, "70", "s1")
    assert (locked.card.balance, locks(locked)) == (0, 0)


def test_a_settlement_in_part_locks_the_rest_again(locked: SandboxSystem) -> None:
    transaction = locked.authorize("70")
    locked.settle(transaction, "20", "s1")
    assert locks(locked) == 50_00
    locked.settle(transaction, "50", "s2")
    assert (locked.card.balance, locks(locked)) == (30_00, 0)


def test_what_is_canceled_is_let_go(locked: SandboxSystem) -> None:
    transaction = locked.authorize("70")
    locked.cancel(transaction, "30", "c1")
    assert locks(locked) == 40_00
    locked.settle(transaction, "10", "s1")
    locked.cancel(transaction, "30", "c2")
    assert (locked.card.balance, locks(locked)) == (90_00, 0)


def test_what_two_orders_reserve_is_locked_and_no_third_fits(locked: SandboxSystem) -> None:
    first, second = locked.authorize("40", "order-1"), locked.authorize("60", "order-2")
    assert locks(locked) == 100_00
    with pytest.raises(InsufficientFunds):
        locked.authorize("0.01", "order-3")
    locked.settle(second, "60", "s2")
    assert locks(locked) == 40_00
    locked.settle(first, "40", "s1")
    assert (locked.card.balance, locks(locked)) == (0, 0)


def test_what_is_locked_for_other_orders_hides_neither_the_rest_of_a_card_nor_its_rules(locked: SandboxSystem) -> None:
    locked.card.order_from = 50_00
    locked.authorize("60", "order-1", PURCHASE)
    with pytest.raises(CardUnusable):
        locked.authorize("1", "order-2", Memo(cart=Cart(49_00)))
    locked.settle(locked.authorize("40", "order-3", PURCHASE), "40", "s3")
    assert locked.card.balance == 60_00


def test_what_is_locked_for_other_orders_does_not_hide_that_a_card_pays_for_some_products_only(
    locked: SandboxSystem,
) -> None:
    locked.card.products = ("sku-1",)
    locked.authorize("60", "order-1", PURCHASE)
    with pytest.raises(InsufficientFunds):
        locked.authorize(
            "30", "order-2", Memo(cart=Cart(120_00, (CartItem("sku-1", 1, 20_00), CartItem("x", 1, 100_00))))
        )


def test_an_order_that_is_refused_leaves_what_others_have_reserved_locked(locked: SandboxSystem) -> None:
    locked.card.order_from = 50_00
    locked.authorize("60", "order-1", PURCHASE)
    with pytest.raises(InsufficientFunds):
        locked.authorize("50", "order-2", PURCHASE)
    assert locks(locked) == 60_00


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "status", "status_after", "junk"])
def test_no_payment_depends_on_a_lock(locked: SandboxSystem, kind: FaultKind) -> None:
    """Neither that it was made, nor that its answer came."""
    for method, path in (("POST", "/v1/validations"), ("DELETE", "/sessions/")):
        locked.sandbox.faults.add(kind, method=method, path=path, times=9)
    transaction = locked.authorize("70")
    locked.settle(transaction, "20", "s1")
    locked.cancel(transaction, "10", "c1")
    locked.settle(transaction, "40", "s2")
    assert locked.card.balance == 40_00


def test_a_lock_that_nobody_ended_stands_in_the_way_of_no_order(locked: SandboxSystem) -> None:
    locked.card.order_from = 50_00
    locked.sandbox.faults.add("drop_before", method="DELETE", path="/sessions/", times=9)
    locked.cancel(locked.authorize("100", "order-1", PURCHASE), "100", "c1")
    assert locks(locked) == 100_00
    locked.sandbox.faults.clear()
    assert [card.balance for card in locked.mapper.find(Query(locked.card.code, cart=PURCHASE.cart), soon())] == [
        100_00
    ]
    locked.settle(locked.authorize("100", "order-2", PURCHASE), "100", "s2")
    assert locked.card.balance == 0


def test_a_lock_that_nobody_ended_stands_in_the_way_of_no_settlement(locked: SandboxSystem) -> None:
    transaction = locked.authorize("30")
    locked.mapper.lock(locked.system.record(transaction).view(), 100_00, soon())
    locked.settle(transaction, "30", "s1")
    assert locked.card.balance == 70_00


def test_a_lock_that_ended_by_itself_ends_no_payment(locked: SandboxSystem) -> None:
    transaction = locked.authorize("70")
    locked.card.sessions.clear()
    locked.cancel(transaction, "30", "c1")
    locked.card.sessions.clear()
    locked.settle(transaction, "40", "s1")
    assert locked.card.balance == 60_00
