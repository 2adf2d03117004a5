"""The Vauchar mapper behaves as every mapper must, over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from mappers.base import Mapper
from mappers.conformance import MapperConformance
from mappers.money import Currency
from mappers.sandbox import Sandbox, shared
from mappers.vauchar.mapper import Vauchar, VaucharOptions
from mappers.vauchar.sandbox import DEMO_OPTIONS, create_app


class TestVauchar(MapperConformance):
    mapper_class = Vauchar
    other_currencies = (Currency.of("JPY"),)

    @pytest.fixture
    def backend(self) -> Iterator[Sandbox]:
        with shared(create_app) as sandbox:
            yield sandbox

    @pytest.fixture
    def options(self, backend: Sandbox) -> VaucharOptions:
        options: dict[str, Any] = DEMO_OPTIONS(backend.url)
        return VaucharOptions(**options)

    @pytest.fixture
    def end_card(self, backend: Sandbox) -> Callable[[Mapper, str], None]:
        def end_card(mapper: Mapper, card_id: str) -> None:
            backend.app.extensions["backend"].cards[card_id].expiry_time = 1

        return end_card

    @pytest.fixture
    def card_code(self, backend: Sandbox, currency: Currency) -> str:
        code: str = backend.app.extensions["backend"].add(None, Decimal(100), currency.code).code
        return code

    @pytest.fixture
    def unusable_card_code(self) -> str:
        return "VAUCHAR-EXPIRED-50"
