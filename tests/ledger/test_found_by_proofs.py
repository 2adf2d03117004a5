"""What the proofs found in the ledger, each as the shortest story that tells it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.ledger.errors import LedgerError
from mappers.base import Card, Holds, MapperError
from mappers.deadline import Deadline
from tests.ledger.conftest import MakeHouse


def test_a_balance_that_does_not_show_a_settlement_yet_is_not_reserved_from(make_house: MakeHouse) -> None:
    house = make_house(Holds.LEDGER)
    house.mapper.read_lag_seconds = 2.0  # type: ignore[misc]
    before = house.backend.spendable
    house.settle(house.authorize("100.00"), "100.00")
    get_card = house.mapper.get_card

    def lagging(card_id: str, deadline: Deadline) -> Card:
        return replace(get_card(card_id, deadline), balance=before)

    house.mapper.get_card = lagging  # type: ignore[method-assign]
    with pytest.raises((MapperError, LedgerError)):
        house.ledger.authorize(house.provider, house.wish("50.00", "order-2"), house.deadline(0.5))
