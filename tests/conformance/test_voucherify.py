"""The Voucherify mapper behaves as every mapper must, over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from mappers.base import Mapper
from mappers.conformance import MapperConformance
from mappers.money import Currency
from mappers.sandbox import Sandbox, shared
from mappers.voucherify.mapper import Voucherify, VoucherifyOptions
from mappers.voucherify.sandbox import DEMO_OPTIONS, create_app


class TestVoucherify(MapperConformance):
    mapper_class = Voucherify
    other_currencies = (Currency.of("JPY"),)

    @pytest.fixture
    def backend(self) -> Iterator[Sandbox]:
        with shared(create_app) as sandbox:
            yield sandbox

    @pytest.fixture
    def options(self, backend: Sandbox) -> VoucherifyOptions:
        options: dict[str, Any] = DEMO_OPTIONS(backend.url)
        return VoucherifyOptions(**options)

    @pytest.fixture
    def small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mappers.voucherify.client.PAGE_SIZE", 2)

    @pytest.fixture
    def end_card(self, backend: Sandbox) -> Callable[[Mapper, str], None]:
        def end_card(mapper: Mapper, card_id: str) -> None:
            backend.app.extensions["backend"].find(card_id).expiration_date = datetime.now(UTC)

        return end_card

    @pytest.fixture
    def card_code(self, backend: Sandbox, currency: Currency) -> str:
        code: str = backend.app.extensions["backend"].add(100_00, metadata={"currency": currency.code}).code
        return code

    @pytest.fixture
    def unusable_card_code(self) -> str:
        return "VOUCHERIFY-DISABLED-50"

    @pytest.fixture
    def single_use_card_code(self, backend: Sandbox) -> str:
        code: str = backend.app.extensions["backend"].add(100_00, quantity=3, redeemed_quantity=2).code
        return code

    @pytest.fixture
    def ruled_card_code(self, backend: Sandbox) -> str:
        code: str = backend.app.extensions["backend"].add(100_00, order_from=200_00).code
        return code


class TestVoucherifyWithParents(TestVoucherify):
    """A redemption of one voucher may come with a parent, through which alone it is undone."""

    @pytest.fixture
    def backend(self) -> Iterator[Sandbox]:
        with shared(create_app) as sandbox:
            sandbox.app.extensions["backend"].parents = True
            yield sandbox
