"""What people do to our holds and payments in Lightrail's dashboard: the card stays right, and no order is stuck."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest

from app.ledger.transaction import ActState
from mappers.base import ActKind, CardUnusable, Conflict, Holds, MapperError, Receipt, Step
from mappers.deadline import Deadline
from tests.ledger.faults import Killed
from tests.ledger.lightrail_system import LIGHTRAILS, LightrailSystem, lightrail_system
from tests.ledger.reconciliation_driver import differences
from tests.ledger.system import MakeSystem


@pytest.fixture(params=list(LIGHTRAILS))
def every(request: pytest.FixtureRequest, make_system: MakeSystem) -> Iterator[LightrailSystem]:
    with lightrail_system(make_system(Holds.NATIVE), request.param) as system:
        yield system


@pytest.fixture(params=["lightrail_v1", "lightrail_v2"])
def system(request: pytest.FixtureRequest, make_system: MakeSystem) -> Iterator[LightrailSystem]:
    """One that keeps a statement, and whose dashboard can give a payment back."""
    with lightrail_system(make_system(Holds.NATIVE), request.param) as system:
        yield system


@pytest.fixture(params=["lightrail_v1", "lightrail_v2"])
def upfront(request: pytest.FixtureRequest, make_system: MakeSystem) -> Iterator[LightrailSystem]:
    with lightrail_system(make_system(Holds.UPFRONT), request.param) as system:
        yield system


def told_apart(system: LightrailSystem) -> set[str]:
    """The kinds of differences that are told of the ledger's own steps."""
    return {found.kind for found in differences(system.system) if found.key}


def amounts(*values: int) -> list[Decimal]:
    return [Decimal(value) for value in values]


@contextmanager
def killed_after_it_is_done(system: LightrailSystem, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the process die when the backend has done a step."""
    run = system.mapper.run

    def dies(step: Step, deadline: Deadline) -> Receipt:
        run(step, deadline)
        raise Killed

    with monkeypatch.context() as broken:
        broken.setattr(system.mapper, "run", dies)
        yield


# A hold that people captured.


def test_all_of_it_can_be_canceled(every: LightrailSystem) -> None:
    transaction = every.authorize("60.00")
    every.people_capture()
    for _ in range(2):
        every.cancel(transaction, "60.00", "cancel-1")
    assert every.lists(transaction) == (amounts(), amounts(60))
    assert every.balance() == 100


def test_a_part_of_it_can_be_canceled_and_the_rest_settled_and_refunded(every: LightrailSystem) -> None:
    transaction = every.authorize("60.00")
    every.people_capture()
    every.cancel(transaction, "20.00", "cancel-1")
    assert every.balance() == 60
    every.settle(transaction, "40.00", "settle-1")
    assert every.balance() == 60
    every.cancel(transaction, "40.00", "cancel-2")
    assert every.balance() == 100


def test_a_cancellation_of_it_that_is_killed_is_done_once(
    every: LightrailSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = every.authorize("60.00")
    every.people_capture()
    with killed_after_it_is_done(every, monkeypatch), pytest.raises(Killed):
        every.cancel(transaction, "60.00", "cancel-1")
    every.system.lose_lease(transaction)
    every.cancel(transaction, "60.00", "cancel-1")
    assert every.balance() == 100


def test_the_policy_does_not_give_back_what_people_took(every: LightrailSystem) -> None:
    transaction = every.authorize("60.00")
    every.people_capture()
    every.sweep_after(timedelta(days=40))
    assert every.balance() == 40
    reversals = [act.state for act in every.system.record(transaction).acts if act.kind is ActKind.REVERSAL]
    assert ActState.DONE not in reversals


def test_what_was_given_back_of_it_is_no_difference(system: LightrailSystem) -> None:
    transaction = system.authorize("60.00")
    system.people_capture()
    system.cancel(transaction, "60.00", "cancel-1")
    assert told_apart(system) == set()


# A hold that people captured and gave back.


def test_nothing_of_it_is_given_back_again(system: LightrailSystem) -> None:
    transaction = system.authorize("60.00")
    system.people_capture()
    system.people_refund()
    system.cancel(transaction, "20.00", "cancel-1")
    system.cancel(transaction, "40.00", "cancel-2")
    assert system.lists(transaction) == (amounts(), amounts(20, 40))
    assert system.balance() == 100


def test_all_of_it_is_canceled_already(system: LightrailSystem) -> None:
    transaction = system.authorize("60.00")
    system.people_capture()
    system.people_refund()
    system.cancel(transaction, "60.00", "cancel-1")
    assert system.balance() == 100


def test_it_cannot_be_settled(system: LightrailSystem) -> None:
    transaction = system.authorize("60.00")
    system.people_capture()
    system.people_refund()
    with pytest.raises(MapperError):
        system.settle(transaction, "60.00", "settle-1")


# A payment that people gave back.


def test_a_payment_is_refunded_once_in_how_many_parts_ever(system: LightrailSystem) -> None:
    transaction = system.authorize("20.00")
    system.settle(transaction, "20.00", "settle-1")
    system.people_refund()
    system.cancel(transaction, "5.00", "cancel-1")
    system.cancel(transaction, "15.00", "cancel-2")
    assert system.lists(transaction) == (amounts(20), amounts(5, 15))
    assert system.balance() == 100
    assert told_apart(system) == set()


def test_a_payment_taken_upfront_is_refunded_once(upfront: LightrailSystem) -> None:
    transaction = upfront.authorize("20.00")
    upfront.settle(transaction, "12.00", "settle-1")
    upfront.people_refund()
    upfront.cancel(transaction, "13.00", "cancel-1")
    upfront.cancel(transaction, "7.00", "cancel-2")
    assert upfront.balance() == 100
    assert told_apart(upfront) == set()


def test_a_refund_that_happened_before_people_gave_all_back_is_found(
    system: LightrailSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = system.authorize("20.00")
    system.settle(transaction, "20.00", "settle-1")
    with killed_after_it_is_done(system, monkeypatch), pytest.raises(Killed):
        system.cancel(transaction, "5.00", "cancel-1")
    system.people_refund()
    system.system.lose_lease(transaction)
    system.cancel(transaction, "5.00", "cancel-1")
    assert system.balance() == 105
    assert told_apart(system) == set()


# A hold that people voided.


def test_a_part_of_it_can_be_canceled_since_all_went_back(every: LightrailSystem) -> None:
    transaction = every.authorize("60.00")
    every.people_void()
    every.cancel(transaction, "20.00", "cancel-1")
    assert every.balance() == 100
    with pytest.raises((CardUnusable, Conflict)):
        every.settle(transaction, "40.00", "settle-1")
    every.cancel(transaction, "40.00", "cancel-2")
    assert every.lists(transaction) == (amounts(), amounts(20, 40))
    assert every.balance() == 100


def test_what_was_canceled_of_it_is_no_difference(system: LightrailSystem) -> None:
    transaction = system.authorize("60.00")
    system.people_void()
    system.cancel(transaction, "20.00", "cancel-1")
    assert told_apart(system) == set()


# The same, and Redis lost everything.


def test_a_refund_of_what_people_captured_is_not_made_again_after_a_loss(system: LightrailSystem) -> None:
    transaction = system.authorize("20.00")
    system.people_capture()
    system.cancel(transaction, "5.00", "cancel-1")
    system.lose_everything()
    assert system.lists(transaction) == (amounts(), amounts(5))
    system.cancel(transaction, "5.00", "cancel-1")
    assert system.balance() == 85
    system.cancel(transaction, "15.00", "cancel-2")
    assert system.balance() == 100


def test_a_settlement_of_what_people_captured_is_told_by_its_refund(system: LightrailSystem) -> None:
    transaction = system.authorize("20.00")
    system.people_capture()
    system.settle(transaction, "12.00", "settle-1")
    system.settle(transaction, "8.00", "settle-2")
    system.cancel(transaction, "5.00", "cancel-1")
    before = system.lists(transaction)
    system.lose_everything()
    assert system.lists(transaction) == before == (amounts(12, 8), amounts(5))
    system.cancel(transaction, "15.00", "cancel-2")
    assert system.balance() == 100


def test_a_cancellation_of_what_people_captured_is_known_after_a_loss(system: LightrailSystem) -> None:
    transaction = system.authorize("20.00")
    system.people_capture()
    system.cancel(transaction, "20.00", "cancel-1")
    system.lose_everything()
    assert system.lists(transaction) == (amounts(), amounts(20))
    assert system.balance() == 100
    assert told_apart(system) == set()


def test_a_settlement_of_what_people_captured_is_not_given_back_by_the_policy_after_a_loss(
    system: LightrailSystem,
) -> None:
    transaction = system.authorize("20.00")
    system.people_capture()
    system.settle(transaction, "20.00", "settle-1")
    system.lose_everything()
    system.lists(transaction)
    assert system.sweep_after(timedelta(days=200)) == {}
    assert system.balance() == 80


def test_what_people_gave_back_is_not_given_back_again_after_a_loss(system: LightrailSystem) -> None:
    transaction = system.authorize("20.00")
    system.settle(transaction, "20.00", "settle-1")
    system.people_refund()
    system.cancel(transaction, "5.00", "cancel-1")
    system.lose_everything()
    assert system.lists(transaction)[0] == amounts(20)
    system.cancel(transaction, "5.00", "cancel-1")
    system.cancel(transaction, "15.00", "cancel-2")
    assert system.balance() == 100


def test_a_hold_that_people_voided_is_known_after_a_loss(system: LightrailSystem) -> None:
    transaction = system.authorize("20.00")
    system.people_void()
    system.lose_everything()
    assert system.lists(transaction) == (amounts(), amounts(20))
    assert system.balance() == 100
