"""The Lightrail V2 mapper behaves as every mapper must, over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from mappers.base import Mapper
from mappers.conformance import MapperConformance
from mappers.lightrail_sandbox import PAST
from mappers.lightrail_v2.mapper import LightrailV2, LightrailV2Options
from mappers.lightrail_v2.sandbox import DEMO_OPTIONS, LONG_AGO, create_app
from mappers.money import Currency
from mappers.sandbox import Sandbox, shared


class TestLightrailV2(MapperConformance):
    mapper_class = LightrailV2
    other_currencies = (Currency.of("JPY"), Currency.of("KWD"))

    @pytest.fixture
    def backend(self) -> Iterator[Sandbox]:
        with shared(create_app) as sandbox:
            yield sandbox

    @pytest.fixture
    def options(self, backend: Sandbox) -> LightrailV2Options:
        options: dict[str, Any] = DEMO_OPTIONS(backend.url)
        return LightrailV2Options(**options)

    @pytest.fixture
    def small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mappers.lightrail_v2.client.PAGE", 2)

    @pytest.fixture
    def end_card(self, backend: Sandbox) -> Callable[[Mapper, str], None]:
        def end_card(mapper: Mapper, card_id: str) -> None:
            backend.app.extensions["backend"].values[card_id]["endDate"] = PAST

        return end_card

    @pytest.fixture
    def card_code(self, backend: Sandbox, currency: Currency) -> str:
        model = backend.app.extensions["backend"]
        known = {"name": currency.code, "symbol": "", "decimalPlaces": currency.digits}
        model.currencies.setdefault(currency.code, {"code": currency.code} | known)
        balance = currency.to_minor(Decimal(100))
        model.create_value({"id": "a-card", "currency": currency.code, "code": "A-CARD-OF-100", "balance": balance})
        return "A-CARD-OF-100"

    @pytest.fixture
    def unusable_card_code(self) -> str:
        return "LIGHT-FROZEN"

    @pytest.fixture
    def single_use_card_code(self, backend: Sandbox) -> str:
        once = {"id": "once", "currency": "BRL", "code": "ONCE-100", "balance": 10000, "usesRemaining": 1}
        backend.app.extensions["backend"].create_value(once)
        return "ONCE-100"

    @pytest.fixture
    def ruled_card_code(self, backend: Sandbox) -> str:
        rule = {"rule": "totals.subtotal >= 20000", "explanation": "Carts of 200.00 and more."}
        large = {"id": "large", "currency": "BRL", "code": "CARTS-OF-200", "balance": 10000, "redemptionRule": rule}
        backend.app.extensions["backend"].create_value(large)
        return "CARTS-OF-200"

    @pytest.fixture
    def set_read_lag(self, backend: Sandbox) -> Callable[[float], None]:
        model = backend.app.extensions["backend"]

        def set_read_lag(seconds: float) -> None:
            for entry in model.transactions.values():
                entry.created = LONG_AGO
            model.read_lag_seconds = seconds

        return set_read_lag
