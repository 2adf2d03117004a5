"""What becomes of a payment whose card ends before it is settled, or before it is refunded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from mappers.base import CardStatus, CardUnusable, Holds, Mapper, Receipt, Refused, Step, Verb
from mappers.conformance.applicability import for_holds
from mappers.conformance.attempts import ask_until_it_shows, assert_balance, run, soon
from mappers.conformance.driver import Driver
from mappers.conformance.fixtures import Fixtures, MakeMapper

# ruff: noqa: S101 - these are tests

EndCard = Callable[[Mapper, str], None]


def run_for_certain(mapper: Mapper, step: Step) -> Receipt:
    """Run a step that may be refused. The ledger believes a refusal, so asking must then show no trace of the step."""
    try:
        receipt = run(mapper, step)
    except Refused:
        assert step.verb is Verb.LOOK or mapper.ask(step, soon()) is None, f"the {step.verb} was refused, and happened"
        raise
    assert step.verb is Verb.LOOK or ask_until_it_shows(mapper, step).reference == receipt.reference, (
        f"run() and ask() name the {step.verb} differently"
    )
    return receipt


class EndingTests(Fixtures):
    """A card ends whenever it likes. What is then asked of its payments is done, or refused for certain."""

    @pytest.mark.parametrize("settled", [False, True], ids=["before it is settled", "before it is refunded"])
    @pytest.mark.parametrize("act", ["settle", "cancel"])
    def test_a_card_that_ends_leaves_nothing_unknown_of_its_payment(
        self,
        settled: bool,
        act: str,
        holds: Holds,
        make_mapper: MakeMapper,
        card_id: str,
        full: int,
        end_card: EndCard,
    ) -> None:
        mapper = make_mapper(holds)
        driver = Driver(mapper, card_id, full // 2, partial(run_for_certain, mapper))
        driver.open()
        if settled:
            driver.capture(full // 4 if act == "settle" else full // 2)
        end_card(mapper, card_id)
        card = mapper.get_card(card_id, soon())
        assert card.status is not CardStatus.ACTIVE, "the card has ended, and get_card() says that it can pay"
        shown, moved = card.balance, driver.change
        with suppress(Refused):
            if act == "settle":
                driver.capture(driver.transaction.amount - driver.transaction.captured)
            else:
                driver.reverse(driver.transaction.amount)
        if shown:  # some backends show no money of a card that has ended
            assert_balance(mapper, card_id, shown + driver.change - moved)

    @for_holds(Holds.NATIVE, Holds.UPFRONT)
    def test_a_card_that_has_ended_opens_no_payment(
        self, holds: Holds, make_mapper: MakeMapper, card_id: str, full: int, end_card: EndCard
    ) -> None:
        mapper = make_mapper(holds)
        end_card(mapper, card_id)
        with pytest.raises(CardUnusable):
            Driver(mapper, card_id, full // 2, partial(run_for_certain, mapper)).open()
        status = mapper.get_card(card_id, soon()).status
        assert status is CardStatus.EXPIRED, f"the card's time is over, and get_card() says {status}"
