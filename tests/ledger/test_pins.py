"""A PIN that came with a request is told to the backend when the transaction is opened, and kept nowhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from app.ledger.caller import Caller
from mappers import confidential
from mappers.base import Customer, Holds, OutcomeUnknown, Receipt, Step
from tests.ledger.faults import Killed, Run, dies, lost_before
from tests.ledger.system import MakeSystem, System

PIN = "pin-47114711"


@pytest.fixture
def told(system: System) -> list[tuple[str, str | None]]:
    """Every call of a backend that moves money: its verb, and the PIN that came with it."""
    calls: list[tuple[str, str | None]] = []

    def listen(step: Step, run: Run) -> Receipt:
        calls.append((step.verb.value, step.pin))
        return run()

    system.mapper.faults = [listen] * 3
    return calls


def authorize(system: System, request_id: str = "order-1", operation: str = "Debit") -> str:
    request = system.authorization_request("40.00", request_id, operation)
    return system.ledger.authorize(system.provider, replace(request, caller=Caller.vtex(pin=PIN)), system.deadline())


@pytest.mark.parametrize(("operation", "verb"), [("Debit", "hold"), ("Credit", "credit")])
def test_the_backend_is_told_it_when_a_transaction_is_opened(
    system: System, told: list[tuple[str, str | None]], operation: str, verb: str
) -> None:
    authorize(system, operation=operation)
    assert told == [(verb, PIN)]


def test_nothing_later_depends_on_it(system: System, told: list[tuple[str, str | None]]) -> None:
    transaction = authorize(system)
    system.settle(transaction, "30.00")
    system.cancel(transaction, "10.00")
    assert told[1:] == [("capture", None), ("void", None)]


def test_who_asks_for_the_transaction_again_does_not_bring_it_to_what_is_settled_meanwhile(
    system: System, told: list[tuple[str, str | None]]
) -> None:
    transaction = authorize(system)
    system.mapper.faults.insert(0, dies)
    with pytest.raises(Killed):
        system.settle(transaction, "30.00")
    system.lose_lease(transaction)
    authorize(system)
    assert told[1:] == [("capture", None)]


def test_it_is_not_written_down_whatever_happens(make_system: MakeSystem) -> None:
    for holds in Holds:
        system = make_system(holds)
        system.mapper.faults = [lost_before]
        with capture_logs() as logs:
            if holds is not Holds.LEDGER:
                with system.cut_off(), pytest.raises(OutcomeUnknown):
                    authorize(system)
            transaction = authorize(system, "order-2")
            system.settle(transaction, "40.00")
        assert PIN.encode() not in b"".join(value or b"" for value in system.stored().values())
        assert PIN not in str(logs) + repr(Caller.vtex(pin=PIN))


def test_nothing_of_the_customer_is_told_while_a_transaction_goes_on(system: System) -> None:
    """A settlement does not bring who paid: the transaction knows."""
    who = Customer("12345678909")
    told: list[str] = []

    def tell(step: Step, run: Run) -> Receipt:
        told.append(confidential.masked("12345678909"))
        return run()

    for customer in (None, who):
        request = replace(system.authorization_request("10.00", f"order-{len(told)}", "Debit"), customer=customer)
        transaction = system.ledger.authorize(system.provider, request, system.deadline())
        confidential.forget()
        system.mapper.faults = [tell]
        system.settle(transaction, "10.00")
    assert told == ["12345678909", "****"]
