"""What the simulator found, each as the shortest story that tells it."""

from __future__ import annotations

import pytest

from app.ledger.service import AuthorizationRequest
from app.ledger.transaction import ActState, Operation, State
from mappers.base import (
    Act,
    BackendUnavailable,
    Holds,
    InsufficientFunds,
    OutcomeUnknown,
    Receipt,
    Step,
    TransactionFacts,
    Verb,
)
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import CARD, Killed, ModelMapper, error_before, lost_after, unavailable
from tests.mappers.servers import answering, serving, write
from tests.money import minor


@pytest.fixture
def once_only(make_house: MakeHouse) -> House:
    """A backend that would redeem twice when told twice, reserved in the ledger."""
    return make_house(Holds.LEDGER, repeatable=False, one_step_at_a_time=True)


def test_what_an_attempt_sent_before_it_died_is_asked_for_although_the_one_before_it_sent_nothing(
    once_only: House,
) -> None:
    """The first attempt never reaches the backend and says so; the second one sends, and dies; the third must ask."""
    house = once_only

    def killed_after(step: Step, run: object) -> Receipt:
        run()  # type: ignore[operator]
        raise Killed

    transaction = house.authorize("40.00")
    house.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        house.settle(transaction, "40.00")
    house.mapper.faults = [killed_after]
    with pytest.raises(Killed):
        house.settle(transaction, "40.00")
    house.lose_lease(transaction)
    house.settle(transaction, "40.00")
    assert house.backend.effects.total() == 1
    assert house.backend.spendable == 6_000


def test_a_void_nobody_asked_for_that_the_backend_refuses_is_left_for_a_person(make_house: MakeHouse) -> None:
    """The card is frozen when the time is over: trying again for ever, an act each time, helps nobody."""
    house = make_house(Holds.NATIVE)
    transaction = house.authorize("40.00")
    house.backend.frozen = True
    for _ in range(3):
        house.sweep()
    assert [act.state for act in house.record(transaction).acts] == [ActState.DONE, ActState.PARKED]


def test_a_credit_nobody_came_back_for_and_that_is_spent_is_left_for_a_person(make_house: MakeHouse) -> None:
    house = make_house(Holds.NATIVE)
    house.mapper.faults = [lost_after]
    with house.cut_off(), pytest.raises(OutcomeUnknown):
        house.authorize("40.00", operation="Credit")
    house.sweep()
    house.backend.balances[CARD] = 0
    for _ in range(3):
        house.sweep()
    assert [act.state for act in house.only_record().acts] == [ActState.DONE, ActState.PARKED]


def test_what_a_refund_puts_back_only_to_take_it_again_is_not_reserved_meanwhile(once_only: House) -> None:
    """Where only whole redemptions are given back, a part is kept by redeeming again: until then the balance lies."""
    house = once_only

    def whole_only(act: Act, transaction: TransactionFacts) -> list[Step]:
        if act.refunded:
            kept = transaction.captured - act.refunded
            return [transaction.step(Verb.REFUND, transaction.captured), transaction.step(Verb.DEBIT, kept)]
        return list(ModelMapper.plan(house.mapper, act, transaction))

    def meanwhile(step: Step, run: object) -> Receipt:
        request = AuthorizationRequest(CARD, Operation.DEBIT, minor(100), "order-2")
        with pytest.raises(BackendUnavailable):
            house.ledger.authorize(house.provider, request, house.deadline(0.2))
        return run()  # type: ignore[no-any-return, operator]

    house.mapper.plan = whole_only  # type: ignore[method-assign]
    transaction = house.authorize("60.00")
    house.settle(transaction, "60.00")
    house.mapper.faults = [lambda step, run: run(), meanwhile]
    house.cancel(transaction, "10.00")
    assert house.backend.spendable == 5_000
    with pytest.raises(InsufficientFunds):
        house.authorize("100.00", "order-3")
    house.authorize("50.00", "order-4")


@pytest.mark.parametrize("status", ["408 Request Timeout", "502 Bad Gateway", "503 Unavailable", "504 Gateway Timeout"])
def test_a_gateway_that_gave_up_waiting_does_not_speak_for_the_backend_behind_it(status: str) -> None:
    """The backend may still be at it: taken for its answer, the write is told again too early, and done twice."""
    with serving(answering(status)) as server, pytest.raises(OutcomeUnknown) as caught:
        write(server.url)
    assert not caught.value.answered


@pytest.fixture
def upfront(make_house: MakeHouse) -> House:
    """A backend that would redeem twice when told twice, told at authorization; one step a card at a time."""
    return make_house(Holds.UPFRONT, repeatable=False, one_step_at_a_time=True)


def test_whoever_finds_a_card_busy_does_not_start_an_authorization_that_nobody_waits_for(upfront: House) -> None:
    house = upfront
    house.mapper.faults = [error_before]
    with pytest.raises(OutcomeUnknown):
        house.authorize("40.00", "order-1")
    house.authorize("10.00", "order-2")
    assert house.backend.spendable == 9_000


def test_an_authorization_that_somebody_else_resolved_is_undone_when_nobody_comes_back_for_it(upfront: House) -> None:
    house = upfront
    house.mapper.faults = [lost_after]
    with house.cut_off(), pytest.raises(OutcomeUnknown):
        house.authorize("40.00", "order-1")
    first = house.only_record()
    house.lose_lease(first.id)
    house.authorize("10.00", "order-2")
    assert house.backend.spendable == 5_000
    assert not house.record(first.id).acknowledged
    house.sweep()
    assert house.record(first.id).state is State.ABANDONED
