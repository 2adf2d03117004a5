"""What a card pays for by its backend's rules, which are asked with the cart."""

from __future__ import annotations

from functools import partial

import pytest

from mappers.base import CardStatus, CardUnusable, Cart, CartItem, Holds, Mapper, Memo, Query
from mappers.conformance.applicability import for_holds
from mappers.conformance.attempts import assert_balance, run_twice, soon
from mappers.conformance.driver import Driver
from mappers.conformance.fixtures import Fixtures, MakeMapper

# ruff: noqa: S101 - these are tests


class RuleTests(Fixtures):
    """Search, the ledger's own look and the debit itself all obey the rules."""

    def test_a_card_is_worth_what_its_rules_let_it_pay_for_the_cart(
        self, mapper: Mapper, ruled_card_code: str, full: int
    ) -> None:
        for cart, worth in ((_cart(2 * full - 1), 0), (_cart(2 * full), full)):
            [found] = mapper.find(Query(code=ruled_card_code, cart=cart), soon())
            for card in (found, mapper.card_for(found.id, Memo(cart=cart), soon())):
                assert (card.balance if card.status is CardStatus.ACTIVE else 0) == worth, (
                    f"the rules let it pay {worth}"
                )

    def test_a_card_with_a_rule_is_not_offered_without_a_cart(self, mapper: Mapper, ruled_card_code: str) -> None:
        [card] = mapper.find(Query(code=ruled_card_code), soon())
        assert card.status is CardStatus.RULED_OUT, "without a cart, a card with a rule must be RULED_OUT"

    @for_holds(Holds.NATIVE, Holds.UPFRONT)
    def test_a_payment_that_the_rules_forbid_takes_nothing(
        self, holds: Holds, make_mapper: MakeMapper, ruled_card_code: str, full: int
    ) -> None:
        mapper = make_mapper(holds)
        [card] = mapper.find(Query(code=ruled_card_code, cart=_cart(2 * full)), soon())
        with pytest.raises(CardUnusable):
            self._paying(mapper, card.id, full, _cart(2 * full - 1)).open()
        assert_balance(mapper, card.id, full)
        driver = self._paying(mapper, card.id, full, _cart(2 * full))
        driver.open()
        driver.capture(full)
        assert_balance(mapper, card.id, 0)
        driver.reverse(full)
        assert_balance(mapper, card.id, full)

    @staticmethod
    def _paying(mapper: Mapper, card_id: str, amount: int, cart: Cart) -> Driver:
        return Driver(mapper, card_id, amount, partial(run_twice, mapper), memo=Memo("order", cart=cart))


def _cart(total: int) -> Cart:
    return Cart(total, (CartItem("sku 1", 1, total // 2), CartItem("sku/2", 1, total - total // 2)))
