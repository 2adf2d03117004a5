"""What VTEX does between a person's look and the act by hand does not turn it into another one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from app.admin.transactions import by_hand
from app.admin.transactions.by_hand import Order
from app.ledger.errors import AmountExceeded

from .conftest import Installation


def test_a_void_does_not_refund_what_was_settled_meanwhile(installation: Installation) -> None:
    transaction = installation.pay("60.00")
    seen = installation.record(transaction)
    installation.json("transactions", "settle", "--yes", transaction)
    intent = by_hand.void(installation.parts, seen, None, Order.new("ana"))
    with pytest.raises(AmountExceeded, match="look at it again"):
        by_hand.carry_out(installation.parts, intent)
    assert installation.record(transaction).refunded == 0


def test_a_refund_does_not_void_what_came_free_meanwhile(installation: Installation) -> None:
    """All of it was being settled when it was looked at, and one of the settlements was refused since."""
    transaction = installation.pay("60.00", settled="40.00")
    seen = replace(installation.record(transaction), captured=6000)
    intent = by_hand.refund(installation.parts, seen, Decimal(10), Order.new("ana"))
    with pytest.raises(AmountExceeded, match="look at it again"):
        by_hand.carry_out(installation.parts, intent)
    assert installation.record(transaction).voided == 0
