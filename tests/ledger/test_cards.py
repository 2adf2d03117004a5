"""Cards: what can be spent."""

from __future__ import annotations

import pytest

from mappers.base import Holds, Query
from tests.ledger.system import MakeSystem, System


@pytest.fixture
def system(make_system: MakeSystem) -> System:
    return make_system(Holds.LEDGER)


def search(system: System, code: str) -> int:
    return len(system.cards.search(system.provider, Query(code), system.deadline()))


def test_a_card_with_nothing_to_spend_is_not_found(system: System) -> None:
    assert search(system, "CODE-1") == 1
    system.authorize("100.00")
    assert search(system, "CODE-1") == 0


def test_a_frozen_card_is_not_found_and_shows_nothing_to_spend(system: System) -> None:
    system.backend.frozen = True
    assert search(system, "CODE-1") == 0
    assert system.cards.get(system.provider, "card-1", system.deadline()).balance == 0
