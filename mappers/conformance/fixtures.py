"""What the tests of the suite work with, and what a subclass gives to it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_type_hints

import pytest

from mappers.base import Holds, Mapper, Query, Receipt, Secret, Step
from mappers.conformance.applicability import holds_for, leave_out_what_does_not_apply
from mappers.conformance.attempts import Attempt, assert_balance, soon
from mappers.conformance.driver import Driver
from mappers.money import Currency

if TYPE_CHECKING:
    from mappers.sandbox import Sandbox

# ruff: noqa: S101 - these are tests

MakeMapper = Callable[[Holds], Mapper]
RunScenario = Callable[[str, Holds, Attempt], None]

# What happens to a payment of four units: "+2" settles two of them, "-1" cancels one.
SCENARIOS = {
    "settle all": "+4",
    "settle in parts": "+1 +3",
    "settle a part, cancel the rest": "+1 -3",
    "cancel all": "-4",
    "cancel in parts": "-1 -3",
    "cancel a part, settle the rest": "-1 +3",
    "settle all, refund in parts": "+4 -1 -3",
    "settle a part, cancel and refund all at once": "+3 -4",
    "a bit of everything": "+1 -1 +2 -2 -1",
}


def secrets_of(options: Any) -> dict[str, str]:
    """Return the options that are secret and set, by name."""
    hints = get_type_hints(type(options))
    secret = [name for name, kind in hints.items() if kind is Secret or Secret in get_args(kind)]
    return {name: value for name in secret if (value := getattr(options, name))}


class Fixtures:
    """The first two are for a subclass to give, the next ones where they matter."""

    mapper_class: ClassVar[type[Mapper]]

    # Currencies in which `card_code`, when it asks for the fixture `currency`, gives a card too.
    other_currencies: ClassVar[tuple[Currency, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if hasattr(cls, "mapper_class"):
            leave_out_what_does_not_apply(cls, Fixtures)

    @pytest.fixture
    def options(self) -> Any:
        """Options that work: an instance of the mapper's Options."""
        pytest.fail("give a fixture `options`: an instance of the mapper's Options")

    @pytest.fixture
    def card_code(self) -> str:
        """The code of an active card that holds exactly 100 units of `currency` (100.00) and was never used."""
        pytest.fail("give a fixture `card_code`: the code of an active, unused card holding 100.00")

    @pytest.fixture
    def unusable_card_code(self) -> str:
        """The code of a card that exists and cannot pay: blocked, expired, or not valid yet."""
        pytest.fail("give a fixture `unusable_card_code`, where a card can be blocked or expire")

    @pytest.fixture
    def single_use_card_code(self) -> str:
        """The code of an active card that holds 100.00 and may be used once more."""
        pytest.fail("give a fixture `single_use_card_code`, where a card may be used a limited number of times")

    @pytest.fixture
    def ruled_card_code(self) -> str:
        """The code of an active card that holds 100.00, and pays only for carts of 200.00 and more."""
        pytest.fail("give a fixture `ruled_card_code`, where rules say what a card pays for")

    @pytest.fixture
    def set_read_lag(self) -> Callable[[float], None]:
        """A function that makes the replica late by so many seconds, for reads and for what writes look up."""
        pytest.fail("give a fixture `set_read_lag`, where the backend looks things up in a replica")

    @pytest.fixture
    def end_card(self) -> Callable[[Mapper, str], None]:
        """A function that lets the time of a card be over at its backend: given a mapper to it, and the card's id."""
        pytest.fail("give a fixture `end_card`, where a card can expire")

    @pytest.fixture
    def backend(self) -> Sandbox | None:
        """The running sandbox that `options` point to, so that it can be told to misbehave."""
        return None

    @pytest.fixture
    def small_pages(self) -> None:
        """Make the mapper ask for two entries a page, where its lists come in pages."""
        pytest.fail("give a fixture `small_pages`, where a list comes in pages")

    @pytest.fixture
    def currency(self) -> Currency:
        return Currency.of("BRL")

    @pytest.fixture
    def make_mapper(self, options: Any, currency: Currency) -> MakeMapper:
        """Return a function from a kind of hold to a mapper."""
        return lambda holds: self.mapper_class("conformance", currency, holds, options)

    @pytest.fixture
    def mapper(self, make_mapper: MakeMapper) -> Mapper:
        return make_mapper(self.mapper_class.supported_holds[0])

    @pytest.fixture
    def full(self, currency: Currency) -> int:
        """What the card holds at first, in minor units."""
        return currency.to_minor(Decimal(100))

    @pytest.fixture
    def card_id(self, mapper: Mapper, card_code: str) -> str:
        return mapper.find(Query(code=card_code), soon())[0].id

    @pytest.fixture
    def sandbox(self, backend: Sandbox | None) -> Sandbox:
        if backend is None:
            pytest.fail("give a fixture `backend`: a running sandbox that can be told to misbehave")
        return backend

    @pytest.fixture
    def run_scenario(self, make_mapper: MakeMapper, card_id: str, card_code: str, full: int) -> RunScenario:
        """Return a function that opens a payment, follows a scenario, and sees after each step where the money is."""

        def run_scenario(scenario: str, holds: Holds, attempt: Attempt) -> None:
            def checked(step: Step) -> Receipt:
                receipt = attempt(mapper, step)
                assert dict(receipt.data) == json.loads(json.dumps(dict(receipt.data))), "the ledger keeps it as JSON"
                assert card_code not in repr(receipt), "a receipt shows the code"
                if receipt.balance is not None:
                    assert_balance(mapper, card_id, receipt.balance)
                return receipt

            mapper, unit = make_mapper(holds), full // 10 - 1
            driver = Driver(mapper, card_id, 4 * unit, checked)
            driver.open()
            assert_balance(mapper, card_id, full + driver.change)
            for part in map(int, SCENARIOS[scenario].split()):
                driver.settle_or_cancel(part * unit)
                assert_balance(mapper, card_id, full + driver.change)

        return run_scenario

    @pytest.fixture(autouse=True)
    def nothing_secret_is_logged(
        self, card_code: str, options: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> Iterator[None]:
        """Make every test here also this one: neither the code nor a secret option shows up in any log."""
        caplog.set_level(logging.DEBUG)
        yield
        printed = capsys.readouterr()
        records = [record for phase in ("setup", "call") for record in caplog.get_records(phase)]
        logged = "".join([*map(logging.Formatter().format, records), printed.out, printed.err])
        for secret in (card_code, *secrets_of(options).values()):
            assert secret not in logged, "a log shows the code or a secret option"

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run whatever depends on how money is held once for each way the mapper knows; currencies likewise."""
        if "holds" in metafunc.fixturenames:
            metafunc.parametrize("holds", holds_for(self.mapper_class, metafunc.function), ids=str)
        if "other_currency" in metafunc.fixturenames:
            metafunc.parametrize("currency", self.other_currencies, ids=lambda currency: currency.code)
