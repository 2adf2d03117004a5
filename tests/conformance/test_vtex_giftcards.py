"""The mapper of VTEX's gift cards behaves as every mapper must, over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mappers.base import Mapper
from mappers.conformance import MapperConformance
from mappers.money import Currency
from mappers.sandbox import Sandbox, running, shared
from mappers.vtex_giftcards.mapper import VtexGiftcards, VtexGiftcardsOptions
from mappers.vtex_giftcards.sandbox import DEMO_OPTIONS, create_app
from tests.second_service import create_second_service, options_for


class TestVtexGiftcards(MapperConformance):
    mapper_class = VtexGiftcards
    other_currencies = (Currency.of("JPY"), Currency.of("KWD"))

    @pytest.fixture
    def backend(self) -> Iterator[Sandbox]:
        with shared(create_app) as sandbox:
            yield sandbox

    @pytest.fixture
    def options(self, backend: Sandbox) -> VtexGiftcardsOptions:
        options: dict[str, Any] = DEMO_OPTIONS(backend.url)
        return VtexGiftcardsOptions(**options)

    @pytest.fixture
    def end_card(self, backend: Sandbox) -> Callable[[Mapper, str], None]:
        def end_card(mapper: Mapper, card_id: str) -> None:
            backend.app.extensions["backend"].cards[card_id].expires = "2020-01-01T00:00:00Z"

        return end_card

    @pytest.fixture
    def card_code(self, backend: Sandbox, currency: Currency) -> str:
        code: str = backend.app.extensions["backend"].add(Decimal(100), currency=currency.code).code
        return code

    @pytest.fixture
    def unusable_card_code(self) -> str:
        return "VTEX-EXPIRED-50"


class TestAnotherGiftbridge(MapperConformance):
    """A whole giftbridge before a backend is a backend itself."""

    mapper_class = VtexGiftcards
    other_currencies = (Currency.of("JPY"), Currency.of("KWD"))

    @pytest.fixture
    def backend(self, tmp_path: Path, empty_redis_url: str, currency: Currency) -> Iterator[Sandbox]:
        with running(create_second_service(tmp_path, empty_redis_url, "memory", currency=currency.code)) as sandbox:
            yield sandbox

    @pytest.fixture
    def options(self, backend: Sandbox) -> VtexGiftcardsOptions:
        options: dict[str, Any] = options_for(backend.url)
        return VtexGiftcardsOptions(**options)

    @pytest.fixture
    def card_code(self) -> str:
        return "MEMORY-ACTIVE-100"
