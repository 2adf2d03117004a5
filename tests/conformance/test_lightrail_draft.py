"""The mapper for Lightrail's early V2 draft behaves as every mapper must, over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from mappers.base import Mapper
from mappers.conformance import MapperConformance
from mappers.lightrail_draft.mapper import LightrailDraft, LightrailDraftOptions
from mappers.lightrail_draft.sandbox import DEMO_OPTIONS, create_app
from mappers.lightrail_sandbox import PAST
from mappers.money import Currency
from mappers.sandbox import Sandbox, shared


class TestLightrailDraft(MapperConformance):
    mapper_class = LightrailDraft
    other_currencies = (Currency.of("JPY"), Currency.of("KWD"))

    @pytest.fixture
    def backend(self) -> Iterator[Sandbox]:
        with shared(create_app) as sandbox:
            yield sandbox

    @pytest.fixture
    def options(self, backend: Sandbox) -> LightrailDraftOptions:
        options: dict[str, Any] = DEMO_OPTIONS(backend.url)
        return LightrailDraftOptions(**options)

    @pytest.fixture
    def end_card(self, backend: Sandbox) -> Callable[[Mapper, str], None]:
        def end_card(mapper: Mapper, card_id: str) -> None:
            backend.app.extensions["backend"].stores[card_id]["endDate"] = PAST

        return end_card

    @pytest.fixture
    def card_code(self, backend: Sandbox, currency: Currency) -> str:
        if currency.code == "BRL":
            return "VS-ACTIVE-100"
        store = {"valueStoreId": "a-card", "currency": currency.code, "code": "A-CARD-OF-100"}
        backend.app.extensions["backend"].create_store(store | {"value": currency.to_minor(Decimal(100))})
        return "A-CARD-OF-100"

    @pytest.fixture
    def ruled_card_code(self, backend: Sandbox) -> str:
        rule = {"rule": "order.total >= 20000", "explanation": "For orders of 200.00 and more."}
        store = {"valueStoreId": "large", "currency": "BRL", "value": 10000, "redemptionRule": rule}
        backend.app.extensions["backend"].create_store(store | {"code": "ORDERS-OF-200"})
        return "ORDERS-OF-200"
