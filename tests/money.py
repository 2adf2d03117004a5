"""Amounts as tests write them, in the currency of most of them."""

from __future__ import annotations

from decimal import Decimal

from mappers.money import Currency

BRL = Currency.of("BRL")


def minor(value: str | int | Decimal) -> int:
    """Return an amount of BRL in minor units."""
    return BRL.to_minor(Decimal(value))


def major(amount: int) -> Decimal:
    """Return minor units of BRL as an amount."""
    return BRL.to_decimal(amount)
