"""The memory mapper behaves as every mapper must, and so the suite itself is seen to work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mappers.base import Mapper
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
    def end_card(self) -> Callable[[Mapper, str], None]:
        def end_card(mapper: Memory, card_id: str) -> None:
            account = mapper._accounts[card_id]
            account.card = replace(account.card, expiring_date=datetime.now(UTC))

        return end_card  # type: ignore[return-value]

    @pytest.fixture
    def card_code(self) -> str:
        return "MEMORY-ACTIVE-100"

    @pytest.fixture
    def unusable_card_code(self) -> str:
        return "MEMORY-FROZEN-50"

    @pytest.fixture
    def single_use_card_code(self) -> str:
        return "MEMORY-ONCE-100"
