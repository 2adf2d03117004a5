"""Amounts of a currency: what moves must be exact, what a balance has beside it stays on the card."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mappers.money import Currency, InvalidAmount

CLP, BRL = Currency.of("CLP"), Currency.of("BRL")


@pytest.mark.parametrize(
    ("currency", "balance", "spendable"),
    [
        (CLP, "10000.50", 10000),
        (CLP, "0.9", 0),
        (BRL, "10.005", 1000),
        (BRL, "10.009999", 1000),
        (BRL, "15.299999999999999", 1530),  # a float that meant 15.30
        (BRL, "15.3", 1530),
    ],
)
def test_a_balance_is_worth_what_its_currency_can_express(currency: Currency, balance: str, spendable: int) -> None:
    assert currency.spendable(Decimal(balance)) == spendable


@pytest.mark.parametrize("balance", ["NaN", "Infinity", "1e30"])
def test_what_is_no_balance_is_none(balance: str) -> None:
    with pytest.raises(InvalidAmount):
        BRL.spendable(Decimal(balance))


def test_an_amount_that_moves_is_never_rounded() -> None:
    with pytest.raises(InvalidAmount):
        CLP.to_minor(Decimal("10000.50"))
