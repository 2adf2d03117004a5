"""What an attack on the ledger found, each as the shortest story that tells it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import pytest

from app.admin.transactions import by_hand
from app.ledger.errors import Unresolved
from app.ledger.transaction import ActState, Decision, State
from mappers import whole_capture
from mappers.base import (
    BackendUnavailable,
    CardUnusable,
    Holds,
    MapperError,
    OutcomeUnknown,
    Receipt,
    Step,
    Verb,
)
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import CARD, Killed, error_after, lost_before, unavailable

Run = Callable[[], Receipt]


def refuses(step: Step, run: Run) -> Receipt:
    raise CardUnusable("not now")


def decide(house: House, transaction: str, *, happened: bool, reference: str = "") -> None:
    address = house.record(transaction).address
    house.ledger.decide(house.provider, address, house.deadline(), Decision("ana", happened, reference))


@pytest.fixture
def once_only(make_house: MakeHouse) -> House:
    """A backend that would redeem twice when told twice, reserved in the ledger."""
    return make_house(Holds.LEDGER, repeatable=False, one_step_at_a_time=True)


# What was refused and is tried again.


def test_a_refused_cancellation_that_is_tried_again_is_planned_as_things_stand_now(make_house: MakeHouse) -> None:
    """It would have given back 10 of what was taken; meanwhile all 30 of it were taken."""
    house = make_house(Holds.LEDGER)
    transaction = house.authorize("60.00")
    house.settle(transaction, "40.00", "s1")
    house.mapper.faults = [refuses]
    with pytest.raises(CardUnusable):
        house.cancel(transaction, "30.00", "c1")
    house.settle(transaction, "20.00", "s2")
    house.cancel(transaction, "30.00", "c1")
    assert house.record(transaction).refunded == 3_000
    assert house.backend.spendable == 10_000 - 6_000 + 3_000


def test_a_refused_void_that_is_tried_again_gives_back_what_was_settled_meanwhile(make_house: MakeHouse) -> None:
    house = make_house(Holds.NATIVE)
    transaction = house.authorize("60.00")
    house.mapper.faults = [refuses]
    with pytest.raises(CardUnusable):
        house.cancel(transaction, "60.00", "c1")
    house.settle(transaction, "60.00", "s1")
    house.cancel(transaction, "60.00", "c1")
    assert house.backend.spendable == 10_000


def test_a_refused_settlement_is_tried_again_although_another_act_was_in_the_way(make_house: MakeHouse) -> None:
    house = make_house(Holds.NATIVE)
    transaction = house.authorize("40.00")
    house.mapper.faults = [refuses]
    with pytest.raises(CardUnusable):
        house.settle(transaction, "10.00", "s1")
    house.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        house.settle(transaction, "20.00", "s2")
    house.settle(transaction, "10.00", "s1")
    assert sorted(house.settlements(transaction)) == [Decimal(10), Decimal(20)]


def test_after_a_loss_a_refused_cancellation_is_not_restored_as_one_to_be_done(make_house: MakeHouse) -> None:
    house = make_house(Holds.NATIVE)
    house.mapper.plan = lambda act, facts: whole_capture.plan(act, facts, refund_whole=False)  # type: ignore[method-assign]
    transaction = house.authorize("60.00")
    house.mapper.faults = [lambda step, run: run(), refuses]
    with pytest.raises(CardUnusable):
        house.cancel(transaction, "20.00", "c1")
    before = house.backend.spendable
    house.connection.call(lambda client: client.flushall())
    assert house.cancellations(transaction) == []
    assert house.backend.spendable == before


# Promises.


@pytest.mark.parametrize("holds", [Holds.NATIVE, Holds.LEDGER])
def test_a_refund_behind_a_promise_gives_back_nothing_that_was_not_taken(make_house: MakeHouse, holds: Holds) -> None:
    house = make_house(holds, settle="accept")
    transaction = house.authorize("60.00")
    house.settle(transaction, "40.00", "s1")
    house.mapper.faults = [refuses, refuses]
    with pytest.raises(Unresolved):
        house.cancel(transaction, "50.00", "c1")
    with suppress(Unresolved):
        decide(house, transaction, happened=False)
    record = house.record(transaction)
    assert record.refunded <= record.captured
    assert house.backend.spendable + house.backend.held <= 10_000


def test_a_promise_that_did_not_happen_is_kept_all_the_same(make_house: MakeHouse) -> None:
    """VTEX was told yes and never asks again."""
    house = make_house(Holds.NATIVE, settle="accept")
    transaction = house.authorize("40.00")
    house.settle(transaction, "40.00")
    house.backend.frozen = True
    house.sweep()
    house.backend.frozen = False
    decide(house, transaction, happened=False)
    assert house.settlements(transaction) == [Decimal(40)]
    assert house.backend.spendable == 6_000


def test_a_promise_that_was_never_sent_is_sent_without_asking(make_house: MakeHouse) -> None:
    """Where no id is echoed the answer would be a guess, and a person would have to decide."""
    house = make_house(Holds.LEDGER, settle="accept", repeatable=False, one_step_at_a_time=True, tells=False)
    transaction = house.authorize("40.00")
    house.settle(transaction, "40.00")
    house.sweep()
    assert house.record(transaction).acts[1].state is ActState.DONE


@pytest.mark.parametrize("holds", [Holds.NATIVE, Holds.LEDGER])
def test_what_is_left_when_a_cancellation_behind_a_promise_is_refused_goes_back_in_the_end(
    make_house: MakeHouse, holds: Holds
) -> None:
    house = make_house(holds, settle="accept")
    transaction = house.authorize("60.00")
    house.settle(transaction, "40.00", "s1")
    house.mapper.faults = [lambda step, run: run(), refuses]
    with pytest.raises(CardUnusable):
        house.cancel(transaction, "30.00", "c1")
    assert house.record(transaction).state is State.AUTHORIZED
    for _ in range(2):
        house.sweep()
    assert (house.storage.reserved(house.provider.id, CARD), house.backend.held) == (0, 0)


# Sleepers, and what comes too late.


def test_a_sleepers_look_does_not_replace_the_look_of_the_one_that_sent(once_only: House) -> None:
    """With the old one, what a till took meanwhile would pass for ours."""
    house = once_only
    house.look_before_capturing()
    transaction = house.authorize("40.00")
    apply, asleep = house.mapper._apply, [True]

    def sleeps_after_its_look(step: Step) -> Receipt:
        receipt = apply(step)
        if step.verb is Verb.LOOK and asleep and asleep.pop():
            house.lose_lease(transaction)
            house.backend.balances[CARD] = 7_000
            house.mapper.faults = [lost_before]
            with pytest.raises(OutcomeUnknown):
                house.settle(transaction, "40.00")
        return receipt

    house.mapper._apply = sleeps_after_its_look  # type: ignore[method-assign]
    with suppress(MapperError, Unresolved):
        house.settle(transaction, "40.00")
    look = house.record(transaction).acts[1].steps[0].receipt
    assert look is not None
    assert look.balance == 7_000


def taken_too_late(house: House, transaction: str) -> None:
    """A process sleeps through its lease with a settlement that is refused, made up for, and then succeeds."""

    def overtaken(step: Step, run: Run) -> Receipt:
        house.lose_lease(transaction)
        house.backend.frozen = True
        with pytest.raises(CardUnusable):
            house.settle(transaction, "60.00", "s1")
        house.backend.frozen = False
        house.cancel(transaction, "20.00", "c1")
        house.settle(transaction, "40.00", "s2")
        return run()

    house.mapper.faults = [overtaken]
    with pytest.raises(CardUnusable):
        house.settle(transaction, "60.00", "s1")
    assert house.index.parked() == [transaction]


def test_what_came_too_late_to_count_stays_in_sight_when_another_act_is_decided(once_only: House) -> None:
    house = once_only
    transaction = house.authorize("60.00")
    taken_too_late(house, transaction)
    house.mapper.tells = False
    house.mapper.faults = [error_after]
    for _ in range(2):
        with pytest.raises((OutcomeUnknown, Unresolved)):
            house.cancel(transaction, "10.00", "c2")
    decide(house, transaction, happened=True)
    assert house.index.parked() == [transaction]


def test_what_came_too_late_to_count_is_seen_to_by_hand(once_only: House) -> None:
    house = once_only
    transaction = house.authorize("60.00")
    taken_too_late(house, transaction)
    by_hand.decide(house.parts, house.record(transaction), happened=True, reference="", actor="ana")
    assert house.index.parked() == []


def test_a_decision_that_is_cut_off_is_carried_out_by_the_next_one(
    once_only: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person says that it happened; the process dies before that is on disk; the backend shows nothing."""
    house = once_only
    house.mapper.tells = False
    transaction = house.authorize("40.00")
    house.mapper.faults = [error_after]
    with pytest.raises(OutcomeUnknown):
        house.settle(transaction, "40.00")
    with pytest.raises(Unresolved):
        house.settlements(transaction)
    house.mapper.tells = True
    house.backend.done.clear()

    def dies(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as cut:
        cut.setattr(house.storage, "finish", dies)
        with pytest.raises(Killed):
            decide(house, transaction, happened=True, reference="redemption-1")
    house.lose_lease(transaction)
    house.sweep()
    settlement = house.record(transaction).acts[1]
    assert (settlement.state, house.backend.effects.total()) == (ActState.DONE, 1)
    assert settlement.steps[0].receipt == Receipt("redemption-1", data={"decided_by": "ana"})
