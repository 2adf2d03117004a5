"""The Lightrail V1 mapper behaves as every mapper must, over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from mappers.base import Mapper
from mappers.conformance import MapperConformance
from mappers.lightrail_v1.mapper import LightrailV1, LightrailV1Options
from mappers.lightrail_v1.sandbox import DEMO_OPTIONS, create_app
from mappers.money import Currency
from mappers.sandbox import Sandbox, shared


class TestLightrailV1(MapperConformance):
    mapper_class = LightrailV1
    other_currencies = (Currency.of("JPY"), Currency.of("KWD"))

    @pytest.fixture
    def backend(self) -> Iterator[Sandbox]:
        with shared(create_app) as sandbox:
            yield sandbox

    @pytest.fixture
    def options(self, backend: Sandbox) -> LightrailV1Options:
        options: dict[str, Any] = DEMO_OPTIONS(backend.url)
        return LightrailV1Options(**options)

    @pytest.fixture
    def small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mappers.lightrail_v1.mapper.PAGE", 2)

    @pytest.fixture
    def end_card(self, backend: Sandbox) -> Callable[[Mapper, str], None]:
        def end_card(mapper: Mapper, card_id: str) -> None:
            backend.app.extensions["backend"].cards[card_id].principal.expires = datetime.now(UTC)

        return end_card

    @pytest.fixture
    def card_code(self, backend: Sandbox, currency: Currency) -> str:
        if currency.code == "BRL":
            return "V1ACT-100"
        program = f"program-{currency.code.lower()}"
        balance = currency.to_minor(Decimal(100))
        card = {"userSuppliedId": "a-card", "cardType": "GIFT_CARD", "programId": program, "currency": currency.code}
        backend.app.extensions["backend"].create_card(card | {"initialValue": balance}, "A-CARD-OF-100")
        return "A-CARD-OF-100"

    @pytest.fixture
    def unusable_card_code(self) -> str:
        return "V1FRO-50"
