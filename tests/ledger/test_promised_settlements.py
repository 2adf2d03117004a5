"""Settlements that are answered before the backend made them (`settle = "accept"`)."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest

from app.ledger.errors import Unresolved
from app.ledger.transaction import ActState, State
from mappers.base import (
    CardUnusable,
    Holds,
    Receipt,
    Step,
)
from tests.ledger.driver import (
    change_within,
    decide,
)
from tests.ledger.faults import (
    Run,
    refuses,
    unavailable,
)
from tests.ledger.system import MakeSystem


def test_a_promised_settlement_is_answered_at_once_and_done_by_the_sweeper(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE, settle="accept")
    transaction = system.authorize("40.00")
    system.mapper.faults = [unavailable]
    system.settle(transaction, "10.00", "s1")
    system.settle(transaction, "20.00", "s2")
    assert system.settlements(transaction) == [Decimal("10.00"), Decimal("20.00")]
    assert system.backend.held == 4_000
    system.sweep()
    system.sweep()
    assert system.backend.held == 1_000
    system.cancel(transaction, "10.00", "c1")
    assert system.backend.held == 0
    assert system.backend.spendable == 7_000


def test_a_promised_settlement_that_the_backend_refuses_is_parked(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE, settle="accept")
    transaction = system.authorize("40.00")
    system.settle(transaction, "10.00")
    system.backend.frozen = True
    system.sweep()
    assert system.record(transaction).acts[1].state is ActState.PARKED
    with pytest.raises(Unresolved):
        system.settlements(transaction)


def test_a_promised_settlement_is_first_sent_without_asking(make_system: MakeSystem) -> None:
    """Where no id is echoed the answer would be a guess, and a person would have to decide."""
    system = make_system(Holds.LEDGER, settle="accept", repeatable=False, one_step_at_a_time=True, tells=False)
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    system.sweep()
    assert system.record(transaction).acts[1].state is ActState.DONE


def test_a_promised_settlement_is_made_after_a_person_decides_that_it_did_not_happen(make_system: MakeSystem) -> None:
    """VTEX was told yes and never asks again."""
    system = make_system(Holds.NATIVE, settle="accept")
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    system.backend.frozen = True
    system.sweep()
    system.backend.frozen = False
    decide(system, transaction, happened=False)
    assert system.settlements(transaction) == [Decimal(40)]
    assert system.backend.spendable == 6_000


@pytest.mark.parametrize("holds", [Holds.NATIVE, Holds.LEDGER])
def test_a_refund_after_a_promised_settlement_stays_within_the_captured_amount(
    make_system: MakeSystem, holds: Holds
) -> None:
    system = make_system(holds, settle="accept")
    transaction = system.authorize("60.00")
    system.settle(transaction, "40.00", "s1")
    system.mapper.faults = [refuses, refuses]
    with pytest.raises(Unresolved):
        system.cancel(transaction, "50.00", "c1")
    with suppress(Unresolved):
        decide(system, transaction, happened=False)
    record = system.record(transaction)
    assert record.refunded <= record.captured
    assert system.backend.spendable + system.backend.held <= 10_000


@pytest.mark.parametrize("holds", [Holds.NATIVE, Holds.LEDGER])
def test_the_remainder_goes_back_after_a_refused_cancellation(make_system: MakeSystem, holds: Holds) -> None:
    system = make_system(holds, settle="accept")
    transaction = system.authorize("60.00")
    system.settle(transaction, "40.00", "s1")
    system.mapper.faults = [lambda step, run: run(), refuses]
    with pytest.raises(CardUnusable):
        system.cancel(transaction, "30.00", "c1")
    assert system.record(transaction).state is State.AUTHORIZED
    for _ in range(2):
        system.sweep()
    assert (system.standing.reserved, system.backend.held) == (0, 0)


def test_a_cancellation_behind_a_promise_is_first_sent_without_asking(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE, settle="accept", tells=False)
    transaction = system.authorize("40.00")
    system.settle(transaction, "30.00")
    system.cancel(transaction, "10.00")
    assert (system.backend.held, system.backend.spendable) == (0, 7_000)


def test_a_cancellation_waits_for_a_promised_settlement_under_way(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE, settle="accept")
    transaction = system.authorize("40.00")
    system.settle(transaction, "30.00")

    def meanwhile(step: Step, run: Run) -> Receipt:
        before = list(system.backend.calls)
        with pytest.raises(Unresolved):
            change_within(system, 0.2, transaction, "10.00", "cancel", "cancel-1")
        assert system.backend.calls == before
        return run()

    system.mapper.faults = [meanwhile]
    system.sweep()
    assert (system.backend.held, system.backend.spendable) == (0, 7_000)
