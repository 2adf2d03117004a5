"""The safeties of what several transactions share, a card, and of authorizations that nobody may want any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.ledger.errors import Unresolved
from app.ledger.transaction import Decision, State
from mappers.base import BackendUnavailable, Holds, OutcomeUnknown, Receipt, Step, Verb
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import lost_after
from tests.ledger.safety import Run, authorize_within, change_within, left_for_a_person, runs


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house(Holds.NATIVE)


@pytest.fixture
def once_only(make_house: MakeHouse) -> House:
    """A backend that would redeem twice when told twice, reserved in the ledger."""
    return make_house(Holds.LEDGER, repeatable=False, one_step_at_a_time=True)


def test_an_authorization_somebody_came_back_for_is_not_given_up_early(house: House) -> None:
    house.authorize("40.00")
    assert house.index.due_within(timedelta(days=29)) == []


def test_an_authorization_touched_since_the_sweeper_looked_is_not_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.mapper.faults = [lost_after]
    with house.cut_off(), pytest.raises(OutcomeUnknown):
        house.authorize("40.00")
    house.sweep()
    load = house.storage.load

    def then_touched(transaction_id: str) -> Any:
        record = load(transaction_id)
        monkeypatch.undo()
        house.authorize("40.00")
        return record

    monkeypatch.setattr(house.storage, "load", then_touched)
    assert house.sweep() == {"touched meanwhile": 1}
    assert house.only_record().state is State.AUTHORIZED
    assert house.backend.held == 4_000


def test_money_that_is_just_being_taken_is_not_counted_twice(once_only: House) -> None:
    """The backend has taken it and the ledger still reserves it: who asks now must wait, not be declined."""
    house = once_only
    transaction = house.authorize("60.00", "order-1")

    def taken(step: Step, run: Run) -> Receipt:
        receipt = run()
        with pytest.raises(BackendUnavailable, match="kept changing"):
            authorize_within(house, 0.2, "30.00", "order-2")
        return receipt

    house.mapper.faults = [taken]
    house.settle(transaction, "60.00")
    house.authorize("30.00", "order-2")


def test_a_parked_or_promised_act_does_not_break_into_a_busy_card(once_only: House) -> None:
    house = once_only
    waiting = left_for_a_person(house)
    transaction = house.authorize("10.00", "order-2")

    def meanwhile(step: Step, run: Run) -> Receipt:
        before = list(house.backend.calls)
        with pytest.raises(Unresolved):
            house.parts.executor.decide(
                house.provider, house.record(waiting), house.deadline(0.2), Decision("ana", False, "")
            )
        assert house.backend.calls == before
        return run()

    house.mapper.faults = [meanwhile]
    house.settle(transaction, "10.00")


def test_a_card_is_freed_only_by_the_transaction_that_keeps_it_busy(once_only: House) -> None:
    house = once_only
    first, second = house.authorize("10.00", "order-1"), house.authorize("10.00", "order-2")

    def meanwhile(step: Step, run: Run) -> Receipt:
        house.authorize("10.00", "order-3")
        with pytest.raises(Unresolved):
            change_within(house, 0.2, second, "10.00", "settle", "settle-2")
        assert runs(house) == [Verb.DEBIT]
        return run()

    house.mapper.faults = [meanwhile]
    house.settle(first, "10.00")
