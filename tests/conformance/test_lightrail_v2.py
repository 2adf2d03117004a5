"""The Lightrail V2 mapper behaves as every mapper must, over real sockets."""

import pytest

from mappers.conformance import MapperConformance
from mappers.lightrail_v2.mapper import LightrailV2, LightrailV2Options
from mappers.lightrail_v2.sandbox import DEMO_OPTIONS, create_app
from mappers.sandbox import running


class TestLightrailV2(MapperConformance):
    mapper_class = LightrailV2

    @pytest.fixture
    def backend(self):
        with running(create_app()) as sandbox:
            yield sandbox

    @pytest.fixture
    def options(self, backend):
        return LightrailV2Options(**DEMO_OPTIONS(backend.url))

    @pytest.fixture
    def card_code(self):
        return "LIGHT-ACTIVE-100"
