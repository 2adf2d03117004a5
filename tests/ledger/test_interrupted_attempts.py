"""Attempts that fail or are killed halfway: the next one finishes the act, and asks before it sends."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.ledger.errors import Unresolved
from app.ledger.transaction import ActState
from mappers.base import (
    Act,
    BackendUnavailable,
    Holds,
    OutcomeUnknown,
    Step,
    TransactionFacts,
    Verb,
)
from tests.ledger.driver import half_settled, runs
from tests.ledger.faults import (
    Killed,
    does_it_and_dies,
    lost_before,
    refuses,
    unavailable,
)
from tests.ledger.system import MakeSystem, System


def test_the_next_read_finishes_a_failed_settlement(system: System) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        system.settle(transaction, "40.00")
    assert system.settlements(transaction) == [Decimal("40.00")]
    assert system.backend.held == 0


def test_a_list_with_a_pending_act_is_not_answered(system: System) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [lost_before]
    with system.cut_off():
        with pytest.raises(OutcomeUnknown):
            system.settle(transaction, "40.00")
        with pytest.raises(BackendUnavailable):
            system.settlements(transaction)


@pytest.mark.parametrize("change", ["settle", "cancel"])
def test_a_first_attempt_that_was_killed_after_it_sent_is_asked_for(non_idempotent: System, change: str) -> None:
    system = non_idempotent
    transaction = system.authorize("40.00")
    if change == "cancel":
        system.settle(transaction, "40.00")
    system.mapper.faults = [does_it_and_dies]
    with pytest.raises(Killed):
        getattr(system, change)(transaction, "40.00")
    system.lose_lease(transaction)
    getattr(system, change)(transaction, "40.00")
    assert system.backend.spendable == (6_000 if change == "settle" else 10_000)


def test_a_killed_attempt_is_asked_for_although_the_one_before_it_sent_nothing(
    non_idempotent: System,
) -> None:
    """The first attempt never reaches the backend and says so; the second one sends, and dies; the third must ask."""
    system = non_idempotent
    transaction = system.authorize("40.00")
    system.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        system.settle(transaction, "40.00")
    system.mapper.faults = [does_it_and_dies]
    with pytest.raises(Killed):
        system.settle(transaction, "40.00")
    system.lose_lease(transaction)
    system.settle(transaction, "40.00")
    assert system.backend.effects.total() == 1
    assert system.backend.spendable == 6_000


def test_a_step_that_nobody_has_sent_is_refused_though_the_one_before_it_may_still_arrive(system: System) -> None:
    transaction = half_settled(system)
    system.mapper.faults = [does_it_and_dies]
    with pytest.raises(Killed):
        system.cancel(transaction, "35.00")
    system.lose_lease(transaction, quiet_over=False)
    system.mapper.faults = [refuses]
    with pytest.raises(Unresolved):
        system.cancel(transaction, "35.00")
    assert runs(system) == [Verb.VOID, Verb.REFUND]
    assert system.record(transaction).acts[-1].state is ActState.PARKED


def test_a_plan_that_begins_otherwise_by_now_is_not_mixed_with_the_one_that_was_begun(system: System) -> None:
    """Another version of the service may plan otherwise."""
    transaction = system.authorize("40.00")
    hold = f"{transaction}-1"

    def plan(act: Act, transaction: TransactionFacts) -> list[Step]:
        if act.done:
            return [transaction.step(Verb.CAPTURE, 1_000, hold), transaction.step(Verb.CAPTURE, 3_000, hold)]
        return [transaction.step(Verb.LOOK, 0), transaction.step(Verb.CAPTURE, 4_000, hold)]

    system.mapper.plan = plan  # type: ignore[method-assign]
    system.settle(transaction, "40.00")
    assert system.backend.held == 0


def test_whoever_begins_an_authorization_again_may_have_sent_it(make_system: MakeSystem) -> None:
    """The first attempt has certainly sent nothing; the second died, and nobody knows what it sent."""
    system = make_system(Holds.UPFRONT, repeatable=False)
    system.mapper.faults = [unavailable, does_it_and_dies]
    with pytest.raises(BackendUnavailable):
        system.authorize("40.00")
    with pytest.raises(Killed):
        system.authorize("40.00")
    system.lose_lease(system.only_record().id)
    system.authorize("40.00")
    assert set(system.backend.effects.values()) == {1}
