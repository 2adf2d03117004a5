"""How a test of a safety brings the ledger to the point where the safety is needed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.ledger.errors import Unresolved
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import ActState, Operation
from mappers.base import OutcomeUnknown, Receipt, Step, Verb
from tests.ledger.conftest import House
from tests.ledger.model import CARD, lost_before
from tests.money import minor

Run = Callable[[], Receipt]


def undisturbed(step: Step, run: Run) -> Receipt:
    return run()


def authorize_within(house: House, seconds: float, value: str, request_id: str) -> str:
    request = AuthorizationRequest(CARD, Operation.DEBIT, minor(value), request_id)
    return house.ledger.authorize(house.provider, request, house.deadline(seconds))


def change_within(house: House, seconds: float, transaction: str, value: str, kind: str, request_id: str) -> None:
    change = ChangeRequest(CARD, transaction, minor(value), request_id)
    use_case = house.ledger.settle if kind == "settle" else house.ledger.cancel
    use_case(house.provider, change, house.deadline(seconds))


def half_settled(house: House) -> str:
    """An authorization of 40.00 of which 10.00 are settled: to cancel 35.00 takes a void and a refund."""
    transaction = house.authorize("40.00")
    house.settle(transaction, "10.00")
    house.backend.calls.clear()
    return transaction


def runs(house: House) -> list[Verb]:
    return [verb for call, verb, _ in house.backend.calls if call == "run"]


def parked(house: House) -> list[str]:
    client = house.connection._client
    return [name for key in client.keys("gb:*:parked") for name in client.smembers(key)]


def left_for_a_person(house: House, value: str = "40.00") -> str:
    """Authorize and settle so that nobody can tell what became of the settlement."""
    transaction = house.authorize(value, "parked")
    house.mapper.tells = False
    house.mapper.faults = [lost_before]
    with pytest.raises(OutcomeUnknown):
        house.settle(transaction, value)
    house.lose_lease(transaction)
    with pytest.raises(Unresolved):
        house.settle(transaction, value)
    house.mapper.tells = True
    assert house.record(transaction).acts[1].state is ActState.PARKED
    return transaction
