"""The Voucherify mapper behaves as every mapper must, over real sockets."""

import pytest

from mappers.conformance import MapperConformance
from mappers.money import Currency
from mappers.sandbox import running
from mappers.voucherify.mapper import Voucherify, VoucherifyOptions
from mappers.voucherify.sandbox import DEMO_OPTIONS, create_app


class TestVoucherify(MapperConformance):
    mapper_class = Voucherify
    other_currencies = (Currency.of("JPY"),)

    @pytest.fixture
    def backend(self):
        with running(create_app()) as sandbox:
            yield sandbox

    @pytest.fixture
    def options(self, backend):
        return VoucherifyOptions(**DEMO_OPTIONS(backend.url))

    @pytest.fixture
    def card_code(self, backend, currency):
        return backend.app.extensions["backend"].add(100_00, metadata={"currency": currency.code}).code

    @pytest.fixture
    def unusable_card_code(self):
        return "VOUCHERIFY-DISABLED-50"


class TestVoucherifyWithParents(TestVoucherify):
    """A redemption of one voucher may come with a parent, through which alone it is undone."""

    @pytest.fixture
    def backend(self):
        app = create_app()
        app.extensions["backend"].parents = True
        with running(app) as sandbox:
            yield sandbox
