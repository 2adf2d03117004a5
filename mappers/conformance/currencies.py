"""How a mapper counts in currencies that have no cents, or a thousand of them, and in one that is not its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from mappers.base import CardStatus, Holds, Mapper, Query
from mappers.conformance.attempts import assert_balance, pay, run_twice, soon
from mappers.conformance.driver import Driver
from mappers.conformance.fixtures import Fixtures, MakeMapper
from mappers.money import Currency

if TYPE_CHECKING:
    from mappers.sandbox import Sandbox

# ruff: noqa: S101 - these are tests


class CurrencyTests(Fixtures):
    """An amount is counted in the currency's own smallest unit: 100 JPY are 100, and 100 KWD are 100000."""

    @pytest.fixture
    def other_currency(self, currency: Currency) -> Currency:
        """One of `other_currencies`, which is then also the mapper's and the card's."""
        return currency

    def test_a_card_in_another_currency_holds_what_it_holds(
        self, other_currency: Currency, mapper: Mapper, card_code: str, full: int
    ) -> None:
        [card] = mapper.find(Query(code=card_code), soon())
        assert (card.balance, card.currency, card.status) == (full, other_currency.code, CardStatus.ACTIVE), (
            "the card must be ACTIVE and hold all its money, in its own currency"
        )

    @pytest.mark.parametrize("share", ["the smallest unit", "an odd amount", "all of it"])
    def test_a_payment_in_another_currency_takes_its_amount_exactly_and_gives_it_back(
        self, share: str, holds: Holds, other_currency: Currency, make_mapper: MakeMapper, card_id: str, full: int
    ) -> None:
        amount = {"the smallest unit": 1, "an odd amount": full // 5 - 1, "all of it": full}[share]
        mapper = make_mapper(holds)
        driver = Driver(mapper, card_id, amount, partial(run_twice, mapper))
        pay(driver)
        assert_balance(mapper, card_id, full - amount)
        driver.reverse(amount)
        assert_balance(mapper, card_id, full)

    def test_a_card_in_a_currency_that_is_not_the_provider_s_cannot_pay(
        self, currency: Currency, options: Any, card_code: str, sandbox: Sandbox
    ) -> None:
        foreign = Currency.of("USD" if currency.code != "USD" else "BRL")
        stranger = self.mapper_class("conformance", foreign, self.mapper_class.supported_holds[0], options)
        found = stranger.find(Query(code=card_code), soon())
        assert [card.status for card in found] in ([], [CardStatus.WRONG_CURRENCY]), (
            "a card in another currency must be WRONG_CURRENCY"
        )
