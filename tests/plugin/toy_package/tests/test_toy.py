"""The Toy mapper behaves as every mapper must, over real sockets against its sandbox."""

from decimal import Decimal

import pytest

from giftbridge.mapper import Currency
from giftbridge.sandbox import shared
from giftbridge.testing import MapperConformance

from giftbridge_toy.mapper import Toy, ToyOptions
from giftbridge_toy.sandbox import DEMO_OPTIONS, create_app


class TestToy(MapperConformance):
    mapper_class = Toy
    other_currencies = (Currency.of("JPY"), Currency.of("KWD"))

    @pytest.fixture
    def backend(self):
        with shared(create_app) as sandbox:
            yield sandbox

    @pytest.fixture
    def options(self, backend):
        return ToyOptions(**DEMO_OPTIONS(backend.url))

    @pytest.fixture
    def card_code(self, backend, currency):
        return backend.app.extensions["backend"].add(Decimal(100), currency.code).code

    @pytest.fixture
    def unusable_card_code(self):
        return "TOY-BLOCKED-50"
