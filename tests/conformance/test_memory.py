"""The memory mapper behaves as every mapper must, and so the suite itself is seen to work."""

import pytest

from mappers.conformance import MapperConformance
from mappers.memory.mapper import Memory, MemoryOptions


class TestMemory(MapperConformance):
    mapper_class = Memory

    @pytest.fixture
    def options(self):
        return MemoryOptions()

    @pytest.fixture
    def card_code(self):
        return "MEMORY-ACTIVE-100"
