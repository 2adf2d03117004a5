"""What two providers may expect that share one account at the backend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from mappers.base import Conflict, Holds, Mapper, Receipt, Secret, Step, Verb
from mappers.conformance.applicability import looks_up, needs
from mappers.conformance.attempts import ask_and_run, assert_balance, pay, run, soon
from mappers.conformance.driver import Driver
from mappers.conformance.fixtures import Fixtures, secrets_of
from mappers.money import Currency

if TYPE_CHECKING:
    from mappers.sandbox import Sandbox

# ruff: noqa: S101 - these are tests

MakeProvider = Callable[[str, Holds], Mapper]


class AccountTests(Fixtures):
    """Their cards are the same cards, and what one of them did is never taken for the other's."""

    @pytest.fixture
    def make_provider(self, options: Any, currency: Currency) -> MakeProvider:
        """Return a function from a provider's id and a kind of hold to its mapper, all with the same options."""
        return lambda name, holds: self.mapper_class(name, currency, holds, options)

    def test_providers_with_the_same_options_name_one_account(
        self, holds: Holds, make_provider: MakeProvider, sandbox: Sandbox
    ) -> None:
        assert make_provider("one", holds).account() == make_provider("other", holds).account(), (
            "two providers with equal options must be on one account"
        )

    def test_an_account_is_named_alike_under_another_key(
        self, mapper: Mapper, options: Any, currency: Currency, sandbox: Sandbox
    ) -> None:
        for name in secrets_of(options):
            rotated = replace(options, **{name: Secret("another-key-of-the-account")})
            assert self.mapper_class("rotated", currency, mapper.holds, rotated).account() == mapper.account(), (
                "account() must not change with the secrets"
            )

    def test_equal_payments_of_two_providers_are_told_apart(
        self, holds: Holds, make_provider: MakeProvider, card_id: str, full: int, sandbox: Sandbox
    ) -> None:
        amount = full // 5 - 1
        mappers = [make_provider(name, holds) for name in ("one", "other")]
        drivers = [Driver(mapper, card_id, amount, partial(ask_and_run, mapper)) for mapper in mappers]
        for paid, driver in enumerate(drivers, 1):
            pay(driver)
            assert_balance(mappers[0], card_id, full - paid * amount)
        one, other = ({step.receipt.reference for step in driver.transaction.done} - {""} for driver in drivers)
        assert not one & other, "two providers on one account took the same payment for their own"
        drivers[1].reverse(amount)
        assert_balance(mappers[0], card_id, full - amount)
        drivers[0].reverse(amount)
        assert_balance(mappers[0], card_id, full)

    @needs(looks_up)
    def test_what_another_provider_did_cannot_be_called_ones_own(
        self, holds: Holds, make_provider: MakeProvider, card_id: str, full: int, sandbox: Sandbox
    ) -> None:
        one, other = (make_provider(name, holds) for name in ("one", "other"))
        taken: list[tuple[Step, Receipt]] = []

        def attempt(step: Step) -> Receipt:
            receipt = run(one, step)
            if step.verb in (Verb.HOLD, Verb.DEBIT):
                taken.append((step, receipt))
            return receipt

        pay(Driver(one, card_id, full // 5, attempt))
        assert taken, "the payment took nothing that could be looked up"
        for step, receipt in taken:
            with pytest.raises(Conflict):
                other.look_up(replace(step, key=f"gb-00{uuid4().hex}-1"), receipt.reference, soon())
