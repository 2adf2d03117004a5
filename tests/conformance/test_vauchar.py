"""The Vauchar mapper behaves as every mapper must, over real sockets."""

from decimal import Decimal

import pytest

from mappers.conformance import MapperConformance
from mappers.money import Currency
from mappers.sandbox import running
from mappers.vauchar.mapper import Vauchar, VaucharOptions
from mappers.vauchar.sandbox import DEMO_OPTIONS, create_app


class TestVauchar(MapperConformance):
    mapper_class = Vauchar
    other_currencies = (Currency.of("JPY"),)

    @pytest.fixture
    def backend(self):
        with running(create_app()) as sandbox:
            yield sandbox

    @pytest.fixture
    def options(self, backend):
        return VaucharOptions(**DEMO_OPTIONS(backend.url))

    @pytest.fixture
    def card_code(self, backend, currency):
        return backend.app.extensions["backend"].add(None, Decimal(100), currency.code).code

    @pytest.fixture
    def unusable_card_code(self):
        return "VAUCHAR-EXPIRED-50"
