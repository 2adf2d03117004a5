"""What a mapper makes of a backend that looks things up in a late replica before it writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from uuid import uuid4

import pytest

from mappers.base import (
    CardNotFound,
    Holds,
    InsufficientFunds,
    Mapper,
    NewCard,
    OutcomeUnknown,
    Query,
    Receipt,
    ReferenceNotFound,
    Step,
)
from mappers.conformance.applicability import issues_cards, may_add_value, needs
from mappers.conformance.attempts import assert_balance, run, soon
from mappers.conformance.driver import Driver
from mappers.conformance.fixtures import Fixtures, MakeMapper, RunScenario
from mappers.deadline import Deadline

# ruff: noqa: S101 - these are tests

SetReadLag = Callable[[float], None]

LAG_SECONDS = 0.2

# A request that moves money has ten seconds, and makes its calls in them as well.
LONGEST_LAG_SECONDS = 5.0

# What needs something that was done just before: a hold, a payment, value that was added.
TELLING_SCENARIOS = ("cancel all", "settle a part, cancel and refund all at once", "a bit of everything")


def run_as_the_ledger(mapper: Mapper, step: Step) -> Receipt:
    """Run a step, again while the backend may only not see yet what was done before. No other refusal is a late one."""
    deadline = Deadline.after(mapper.read_lag_seconds)
    while True:
        try:
            return run(mapper, step)
        except (CardNotFound, InsufficientFunds, ReferenceNotFound, OutcomeUnknown):
            if deadline.passed():
                raise
            time.sleep(LAG_SECONDS / 4)


class LagTests(Fixtures):
    """The ledger tries again what was answered CardNotFound, InsufficientFunds or ReferenceNotFound within the lag."""

    def test_a_refusal_within_the_read_lag_is_still_told_within_the_request(self, mapper: Mapper) -> None:
        assert mapper.read_lag_seconds <= LONGEST_LAG_SECONDS, (
            "so long after a refund each InsufficientFunds is tried again, and the shopper gets a 503 instead of a no"
        )

    @pytest.mark.parametrize("scenario", TELLING_SCENARIOS)
    def test_what_was_done_just_now_is_never_refused_for_good(
        self, scenario: str, holds: Holds, run_scenario: RunScenario, set_read_lag: SetReadLag
    ) -> None:
        set_read_lag(LAG_SECONDS)
        run_scenario(scenario, holds, run_as_the_ledger)

    def test_what_was_given_back_just_now_can_be_spent(
        self, holds: Holds, make_mapper: MakeMapper, card_id: str, full: int, set_read_lag: SetReadLag
    ) -> None:
        mapper = make_mapper(holds)
        set_read_lag(LAG_SECONDS)
        for _ in range(2):
            driver = Driver(mapper, card_id, full, partial(run_as_the_ledger, mapper))
            driver.open()
            driver.capture(full)
            driver.reverse(full)
        assert_balance(mapper, card_id, full)

    @needs(issues_cards, may_add_value)
    def test_a_card_made_just_now_can_be_given_value(self, mapper: Mapper, full: int, set_read_lag: SetReadLag) -> None:
        set_read_lag(LAG_SECONDS)
        issued = mapper.issue(NewCard(f"gb-00{uuid4().hex}-1"), soon())
        Driver(mapper, issued.card.id, full, partial(run_as_the_ledger, mapper), credit=True).open()
        assert_balance(mapper, issued.card.id, full)
        if issued.code is not None:
            assert [card.balance for card in mapper.find(Query(code=issued.code), soon())] == [full], (
                "the new card is not found with its value"
            )
