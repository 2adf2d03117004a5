"""The Lightrail V1 mapper behaves as every mapper must, over real sockets."""

import pytest

from mappers.conformance import MapperConformance
from mappers.lightrail_v1.mapper import LightrailV1, LightrailV1Options
from mappers.lightrail_v1.sandbox import DEMO_OPTIONS, create_app
from mappers.sandbox import running


class TestLightrailV1(MapperConformance):
    mapper_class = LightrailV1

    @pytest.fixture
    def backend(self):
        with running(create_app()) as sandbox:
            yield sandbox

    @pytest.fixture
    def options(self, backend):
        return LightrailV1Options(**DEMO_OPTIONS(backend.url))

    @pytest.fixture
    def card_code(self):
        return "V1ACT-100"
