"""How a mapper moves money: exactly, once, and never more than there is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest

from mappers.base import (
    Act,
    ActKind,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Holds,
    InsufficientFunds,
    Mapper,
    OutcomeUnknown,
    Query,
    Receipt,
    Refused,
    Step,
    Unsupported,
)
from mappers.conformance.applicability import for_holds, may_add_value, needs, repeats_are_safe, steps_may_overlap
from mappers.conformance.attempts import (
    ask_and_run,
    ask_until_it_shows,
    assert_balance,
    error_of,
    pay,
    run,
    run_twice,
    soon,
)
from mappers.conformance.driver import Driver
from mappers.conformance.fixtures import SCENARIOS, Fixtures, MakeMapper, RunScenario

# ruff: noqa: S101 - these are tests


# What a payment takes of a card. As binary floats, 19.90 and the 80.10 that are left both miss their cent.
SHARES = ("the smallest unit", "an odd amount", "what floats miss", "all of it")


class PaymentTests(Fixtures):
    """What a card held at first is, to the smallest unit, what it holds now and what was taken from it."""

    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_money_is_conserved(self, scenario: str, holds: Holds, run_scenario: RunScenario) -> None:
        run_scenario(scenario, holds, run)

    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_what_is_repeated_under_one_key_happens_once(
        self, scenario: str, holds: Holds, run_scenario: RunScenario
    ) -> None:
        run_scenario(scenario, holds, run_twice)

    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_asking_tells_what_happened_and_what_did_not(
        self, scenario: str, holds: Holds, run_scenario: RunScenario
    ) -> None:
        run_scenario(scenario, holds, ask_and_run)

    def test_what_is_acted_on_by_its_id_is_confirmed_with_it(
        self, holds: Holds, make_mapper: MakeMapper, card_id: str, full: int
    ) -> None:
        """A person may say that a step happened. Without its id, nothing could give it back."""
        mapper = make_mapper(holds)
        canceled, settled = (Driver(mapper, card_id, full // 4, partial(run, mapper)) for _ in range(2))
        for driver in (canceled, settled):
            driver.open()
        settled.capture(full // 4)
        for driver in (canceled, settled):
            driver.reverse(full // 4)
            acted_on = {step.reference for step in driver.transaction.done} - {""}
            for step in driver.transaction.done:
                assert (
                    step.receipt.reference not in acted_on - {step.reference} or step.verb in mapper.needs_reference
                ), f"a {step.verb} is acted on by its id, and needs_reference does not say that it must be named"

    @pytest.mark.parametrize("share", SHARES)
    def test_a_payment_takes_its_amount_exactly_and_gives_it_back(
        self, share: str, holds: Holds, make_mapper: MakeMapper, card_id: str, full: int
    ) -> None:
        amount = dict(zip(SHARES, (1, full // 5 - 1, full * 199 // 1000, full), strict=True))[share]
        mapper = make_mapper(holds)
        driver = Driver(mapper, card_id, amount, partial(run_twice, mapper))
        pay(driver)
        assert_balance(mapper, card_id, full - amount)
        driver.reverse(amount)
        assert_balance(mapper, card_id, full)

    def test_a_code_finds_what_is_left_on_its_card(
        self, holds: Holds, make_mapper: MakeMapper, card_id: str, card_code: str, full: int
    ) -> None:
        mapper = make_mapper(holds)
        for left in (full - 1, full - 2):
            pay(Driver(mapper, card_id, 1, partial(run, mapper)))
            assert_balance(mapper, card_id, left)
            assert [card.balance for card in mapper.find(Query(code=card_code), soon())] == [left], (
                f"the code must find a card that holds {left}"
            )

    def test_a_card_pays_no_more_than_it_holds(
        self, holds: Holds, make_mapper: MakeMapper, card_id: str, full: int
    ) -> None:
        mapper = make_mapper(holds)
        with pytest.raises(InsufficientFunds):
            pay(Driver(mapper, card_id, full + 1, partial(run, mapper)))
        assert_balance(mapper, card_id, full)

    def test_an_unknown_card_pays_nothing(self, holds: Holds, make_mapper: MakeMapper) -> None:
        mapper = make_mapper(holds)
        with pytest.raises(CardNotFound):
            pay(Driver(mapper, "no-such-card", 1, partial(run, mapper)))

    def test_a_card_that_cannot_be_used_pays_nothing(
        self, holds: Holds, make_mapper: MakeMapper, unusable_card_code: str
    ) -> None:
        mapper = make_mapper(holds)
        [card] = mapper.find(Query(code=unusable_card_code), soon())
        assert card.status is not CardStatus.ACTIVE, "a card that cannot pay is shown as ACTIVE"
        with pytest.raises(CardUnusable):
            pay(Driver(mapper, card.id, 1, partial(run, mapper)))
        assert_balance(mapper, card.id, card.balance)

    @for_holds(Holds.NATIVE, Holds.UPFRONT)
    def test_no_more_is_captured_than_was_held(
        self, holds: Holds, make_mapper: MakeMapper, card_id: str, full: int
    ) -> None:
        mapper = make_mapper(holds)
        driver = Driver(mapper, card_id, full // 2, partial(run, mapper))
        driver.open()
        with suppress(Refused):
            driver.capture(full // 2 + 1)
        assert_balance(mapper, card_id, full - full // 2)

    def test_two_equal_payments_are_two(self, holds: Holds, make_mapper: MakeMapper, card_id: str, full: int) -> None:
        mapper = make_mapper(holds)
        for paid in (1, 2):
            pay(Driver(mapper, card_id, full // 4, partial(run, mapper)))
            assert_balance(mapper, card_id, full - paid * (full // 4))

    @needs(repeats_are_safe)
    def test_a_repeat_long_after_changes_nothing(
        self, holds: Holds, make_mapper: MakeMapper, card_id: str, full: int
    ) -> None:
        mapper = make_mapper(holds)
        driver = Driver(mapper, card_id, full, partial(run, mapper))
        pay(driver)
        driver.reverse(full // 2)
        for step in driver.steps:
            assert run(mapper, step).reference, f"the {step.verb}, done before, has no reference now"
            assert_balance(mapper, card_id, full // 2)

    def test_a_transaction_keeps_the_kind_of_hold_it_was_opened_with(
        self, holds: Holds, make_mapper: MakeMapper, card_id: str, full: int
    ) -> None:
        for holds_now in self.mapper_class.supported_holds:
            mapper = make_mapper(holds_now)
            driver = Driver(mapper, card_id, 4, partial(run, mapper), holds=holds)
            driver.open()
            assert_balance(mapper, card_id, full + driver.change)
            for amount in (3, -4):
                driver.settle_or_cancel(amount)
                assert_balance(mapper, card_id, full + driver.change)

    @needs(may_add_value)
    def test_money_can_be_added_and_taken_back(self, mapper: Mapper, card_id: str, full: int) -> None:
        driver = Driver(mapper, card_id, full // 5 - 1, partial(run_twice, mapper), credit=True)
        try:
            mapper.plan(Act(ActKind.CREDIT, driver.transaction.amount), driver.transaction)
        except Unsupported:
            return  # it says so before anything moves, as it must
        driver.open()
        for amount in (0, 1, -2, -driver.transaction.amount + 2):
            if amount:
                driver.settle_or_cancel(amount)
            assert_balance(mapper, card_id, full + driver.change)
        assert_balance(mapper, card_id, full)

    @needs(repeats_are_safe)
    def test_racing_attempts_under_one_key_move_money_once(
        self, holds: Holds, make_mapper: MakeMapper, card_id: str, full: int
    ) -> None:
        mapper = make_mapper(holds)

        def race(step: Step) -> Receipt:
            with ThreadPoolExecutor(8) as pool:
                errors = list(pool.map(lambda _: error_of(lambda: run(mapper, step)), range(8)))
            assert all(error is None or isinstance(error, OutcomeUnknown) for error in errors), (
                "an attempt that raced with another of its key was refused: it is done, or unknown"
            )
            return ask_until_it_shows(mapper, step)

        driver = Driver(mapper, card_id, full, race)
        pay(driver)
        driver.reverse(full // 4)
        assert_balance(mapper, card_id, full // 4)

    @needs(steps_may_overlap)
    def test_racing_payments_never_take_more_than_the_card_holds(
        self, holds: Holds, make_mapper: MakeMapper, card_id: str, full: int
    ) -> None:
        mapper = make_mapper(holds)
        amount = full * 3 // 10
        drivers = [Driver(mapper, card_id, amount, partial(run, mapper)) for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            errors = list(pool.map(lambda driver: error_of(lambda: pay(driver)), drivers))
        assert [type(error) for error in errors if error] == [InsufficientFunds] * 5, (
            "of eight payments the card can pay three, and the other five are InsufficientFunds"
        )
        assert_balance(mapper, card_id, full - 3 * amount)
