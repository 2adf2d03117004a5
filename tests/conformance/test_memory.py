"""The memory mapper behaves as every mapper must, and so the suite itself is seen to work."""

from __future__ import annotations

import pytest

from mappers.conformance import MapperConformance
from mappers.memory.mapper import Memory, MemoryOptions
from mappers.money import Currency


class TestMemory(MapperConformance):
    mapper_class = Memory
    other_currencies = (Currency.of("JPY"), Currency.of("KWD"))

    @pytest.fixture
    def options(self) -> MemoryOptions:
        return MemoryOptions()

    @pytest.fixture
    def card_code(self) -> str:
        return "MEMORY-ACTIVE-100"

    @pytest.fixture
    def unusable_card_code(self) -> str:
        return "MEMORY-FROZEN-50"

    @pytest.fixture
    def single_use_card_code(self) -> str:
        return "MEMORY-ONCE-100"
