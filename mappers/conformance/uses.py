"""What a card that may be used a limited number of times pays for."""

from __future__ import annotations

from functools import partial

import pytest

from mappers.base import CardStatus, CardUnusable, Holds, Query
from mappers.conformance.applicability import for_holds
from mappers.conformance.attempts import assert_balance, run, run_twice, soon
from mappers.conformance.driver import Driver
from mappers.conformance.fixtures import Fixtures, MakeMapper

# ruff: noqa: S101 - these are tests


class UseTests(Fixtures):
    """One payment takes one use, when it is authorized. The ledger never holds the money of such a card itself."""

    @for_holds(Holds.NATIVE, Holds.UPFRONT)
    def test_one_use_pays_one_payment_in_parts_and_no_other(
        self, holds: Holds, make_mapper: MakeMapper, single_use_card_code: str, full: int
    ) -> None:
        mapper, unit = make_mapper(holds), full // 10
        [card] = mapper.find(Query(code=single_use_card_code), soon())
        assert (card.uses, card.status, card.balance) == (1, CardStatus.ACTIVE, full), (
            "the card must have one use left, and all its money"
        )
        driver = Driver(mapper, card.id, 4 * unit, partial(run_twice, mapper))
        driver.open()
        for found in (mapper.get_card(card.id, soon()), *mapper.find(Query(code=single_use_card_code), soon())):
            assert (found.uses, found.status) == (0, CardStatus.USED_UP), (
                "the payment must take the one use, and leave the card USED_UP"
            )
        with pytest.raises(CardUnusable):
            Driver(mapper, card.id, unit, partial(run, mapper)).open()
        for part in (1, 2, -1, -1):
            driver.settle_or_cancel(part * unit)
            assert_balance(mapper, card.id, full + driver.change)

    @for_holds(Holds.NATIVE, Holds.UPFRONT)
    @pytest.mark.parametrize("settled", [True, False], ids=["settled", "not settled"])
    def test_a_payment_that_goes_back_whole_gives_its_use_back(
        self, settled: bool, holds: Holds, make_mapper: MakeMapper, single_use_card_code: str, full: int
    ) -> None:
        mapper = make_mapper(holds)
        [card] = mapper.find(Query(code=single_use_card_code), soon())
        for _ in range(2):
            driver = Driver(mapper, card.id, full // 2, partial(run, mapper))
            driver.open()
            if settled:
                driver.capture(full // 2)
            driver.reverse(full // 2)
            card = mapper.get_card(card.id, soon())
            assert (card.uses, card.status, card.balance) == (1, CardStatus.ACTIVE, full), (
                "the card must have one use left, and all its money"
            )
