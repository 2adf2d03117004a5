"""What a person names at Lightrail V1 is read there: it must be what the step would have made."""

from __future__ import annotations

from typing import Any

import pytest
import responses

from mappers.base import Conflict, Receipt, Step, Verb
from mappers.deadline import Deadline
from tests.mappers.lightrail_v1_wire import CAPTURE, DRAWDOWN, FUND, MONEY, PENDING, build, listed, step

BY_HAND = {"transactionId": "by-hand", "userSuppliedId": "made-by-hand"}


def look_up(wanted: Step, row: dict[str, Any]) -> Receipt:
    with responses.RequestsMock() as wire:
        wire.get(MONEY, **listed(row))
        return build().look_up(wanted, "by-hand", Deadline.after(10))


def test_a_transaction_made_by_hand_is_believed() -> None:
    assert look_up(step(Verb.DEBIT), DRAWDOWN | BY_HAND) == Receipt("by-hand")
    assert look_up(step(Verb.CAPTURE, reference="tx-1"), CAPTURE | BY_HAND) == Receipt("by-hand")


@pytest.mark.parametrize(
    "other",
    [
        DRAWDOWN,
        DRAWDOWN | BY_HAND | {"value": -900},
        DRAWDOWN | BY_HAND | {"currency": "USD"},
        DRAWDOWN | {"userSuppliedId": "gb-another-1", "metadata": {"giftbridge": {"orderId": "1"}}},
        PENDING | BY_HAND,
        FUND | BY_HAND,
        CAPTURE | BY_HAND,
    ],
    ids=["another id", "another amount", "another currency", "another step's", "a hold", "a credit", "a capture"],
)
def test_anything_else_is_refused(other: dict[str, Any]) -> None:
    with pytest.raises(Conflict):
        look_up(step(Verb.DEBIT), other)
