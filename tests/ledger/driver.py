"""The driver: brings a system to the point at which a test begins, and reads what came of it."""

from __future__ import annotations

import pytest

from app.ledger.caller import Caller
from app.ledger.errors import Unresolved
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.storage.answers import Lease
from app.ledger.transaction import ActState, Decision, Operation, Transaction
from mappers.base import OutcomeUnknown, Verb
from tests.ledger.faults import lost_before
from tests.ledger.reference_model import CARD
from tests.ledger.system import System
from tests.money import minor


def authorize_within(system: System, seconds: float, value: str, request_id: str) -> str:
    request = AuthorizationRequest(CARD, Operation.DEBIT, minor(value), request_id)
    return system.ledger.authorize(system.provider, request, system.deadline(seconds))


def change_within(system: System, seconds: float, transaction: str, value: str, kind: str, request_id: str) -> None:
    change = ChangeRequest(CARD, transaction, minor(value), request_id)
    use_case = system.ledger.settle if kind == "settle" else system.ledger.cancel
    use_case(system.provider, change, system.deadline(seconds))


def decide(
    system: System, transaction: str, *, happened: bool = False, reference: str = "", give_up: bool = False
) -> None:
    """Let a person decide what became of a parked act."""
    address = system.record(transaction).address
    decision = Decision("ana", happened, reference, give_up=give_up)
    system.ledger.decide(system.provider, address, system.deadline(), decision)


def half_settled(system: System) -> str:
    """An authorization of 40.00 of which 10.00 are settled: to cancel 35.00 takes a void and a refund."""
    transaction = system.authorize("40.00")
    system.settle(transaction, "10.00")
    system.backend.calls.clear()
    return transaction


def park_meanwhile(system: System, transaction: str) -> None:
    """Let another attempt take over, and park the cancellation: the backend cannot tell."""
    system.lose_lease(transaction)
    system.mapper.tells = False
    with pytest.raises(Unresolved):
        system.cancellations(transaction)


def leased(system: System, transaction: str) -> tuple[Transaction, Lease]:
    """Take the lease of a transaction, over from whoever has it."""
    system.lose_lease(transaction)
    result = system.storage.take_lease(system.record(transaction), Caller.vtex(), one_step_at_a_time=False)
    assert result.lease
    return result.transaction, result.lease


def runs(system: System) -> list[Verb]:
    return [verb for call, verb, _ in system.backend.calls if call == "run"]


def parked_in_redis(system: System) -> list[str]:
    client = system.connection._client
    return [str(name) for key in client.keys("gb:*:parked") for name in client.smembers(key)]


def left_for_a_person(system: System, value: str = "40.00") -> str:
    """Authorize and settle so that the settlement is parked."""
    transaction = system.authorize(value, "parked")
    system.mapper.tells = False
    system.mapper.faults = [lost_before]
    with pytest.raises(OutcomeUnknown):
        system.settle(transaction, value)
    system.lose_lease(transaction)
    with pytest.raises(Unresolved):
        system.settle(transaction, value)
    system.mapper.tells = True
    assert system.record(transaction).acts[1].state is ActState.PARKED
    return transaction
