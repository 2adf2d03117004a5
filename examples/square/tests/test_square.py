"""The Square mapper behaves as every mapper must, over real sockets against its sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from giftbridge.mapper import KEY_PREFIX, CardUnusable, Currency, Deadline, Mapper, Secret, Step, Verb
from giftbridge.sandbox import Sandbox, shared
from giftbridge.testing import MapperConformance

from giftbridge_square import client
from giftbridge_square.mapper import Square, SquareOptions
from giftbridge_square.sandbox import ACCESS_TOKEN, LOCATION_ID, MERCHANT_ID, SandboxState, create_app


def state_of(backend: Sandbox) -> SandboxState:
    state: SandboxState = backend.app.extensions["backend"]
    return state


class TestSquare(MapperConformance):
    mapper_class = Square
    other_currencies = (Currency.of("JPY"),)

    @pytest.fixture
    def currency(self) -> Currency:
        return Currency.of("USD")

    @pytest.fixture
    def backend(self) -> Iterator[Sandbox]:
        with shared(create_app) as sandbox:
            yield sandbox

    @pytest.fixture
    def options(self, backend: Sandbox) -> SquareOptions:
        return SquareOptions(Secret(ACCESS_TOKEN), LOCATION_ID, MERCHANT_ID, backend.url)

    @pytest.fixture
    def card_code(self, backend: Sandbox, currency: Currency) -> str:
        return state_of(backend).add(100 * 10**currency.digits, currency.code).gan

    @pytest.fixture
    def unusable_card_code(self) -> str:
        return "7783320000000051"

    @pytest.fixture
    def small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client, "PAGE", 2)

    @pytest.fixture
    def set_read_lag(self, backend: Sandbox) -> Callable[[float], None]:
        def set_read_lag(seconds: float) -> None:
            state_of(backend).read_lag_seconds = seconds

        return set_read_lag

    def test_a_repeat_that_square_refuses_has_happened_once(
        self, mapper: Mapper, backend: Sandbox, card_id: str
    ) -> None:
        state_of(backend).refuses_repeats = True
        step = Step(Verb.DEBIT, 2500, card_id, key=f"{KEY_PREFIX}00-1")
        receipts = [mapper.run(step, Deadline.after(10)) for _ in range(3)]
        assert receipts == [receipts[0]] * 3
        assert mapper.get_card(card_id, Deadline.after(10)).balance == 7500

    @pytest.mark.parametrize("state", ["BLOCKED", "DEACTIVATED"])
    def test_a_card_that_was_stopped_takes_nothing_back(
        self, state: str, mapper: Mapper, backend: Sandbox, card_id: str
    ) -> None:
        taken = mapper.run(Step(Verb.DEBIT, 2500, card_id, key=f"{KEY_PREFIX}00-1"), Deadline.after(10))
        state_of(backend).card(card_id).state = state
        refund = Step(Verb.REFUND, 2500, card_id, taken.reference, key=f"{KEY_PREFIX}01-1")
        with pytest.raises(CardUnusable):
            mapper.run(refund, Deadline.after(10))
        assert mapper.ask(refund, Deadline.after(10)) is None
