"""The mapper for Lightrail's early V2 draft behaves as every mapper must, over real sockets."""

import pytest

from mappers.conformance import MapperConformance
from mappers.lightrail_valuestores.mapper import LightrailValueStores, LightrailValueStoresOptions
from mappers.lightrail_valuestores.sandbox import DEMO_OPTIONS, create_app
from mappers.sandbox import running


class TestLightrailValueStores(MapperConformance):
    mapper_class = LightrailValueStores

    @pytest.fixture
    def backend(self):
        with running(create_app()) as sandbox:
            yield sandbox

    @pytest.fixture
    def options(self, backend):
        return LightrailValueStoresOptions(**DEMO_OPTIONS(backend.url))

    @pytest.fixture
    def card_code(self):
        return "VS-ACTIVE-100"
