"""Settlements that are answered before the backend made them (`settle = "accept"`)."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from app.ledger.errors import Unresolved
from app.ledger.transaction import ActState, State
from mappers.base import BackendUnavailable, Card, CardUnusable, Holds, OutcomeUnknown, Receipt, Step
from mappers.deadline import Deadline
from tests.ledger.driver import change_within, decide, half_settled
from tests.ledger.faults import Run, refuses, unavailable, undisturbed
from tests.ledger.system import MakeSystem, System


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


def without_its_hold(system: System) -> str:
    """Promise a settlement whose hold somebody voids at the backend before it is made."""
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    system.backend.let_run_out(next(iter(system.backend.holds)))
    system.sweep()
    assert system.index.parked() == [transaction]
    return transaction


def test_a_promise_whose_hold_is_gone_is_given_up_loudly(make_system: MakeSystem) -> None:
    """Nothing was taken, so nothing may be given back: to say that it happened would pay the shopper 40.00."""
    system = make_system(Holds.NATIVE, settle="accept")
    transaction = without_its_hold(system)
    with capture_logs() as logs:
        decide(system, transaction, give_up=True)
    record = system.record(transaction)
    assert (record.acts[1].state, record.captured, record.rest) == (ActState.REFUSED, 0, 4_000)
    assert system.settlements(transaction) == []
    assert system.index.parked() == []
    assert [(event["what"], event.get("by")) for event in system.storage.events(transaction)][-1] == (
        "promise broken",
        "ana",
    )
    (loud,) = [line for line in logs if line["log_level"] == "error"]
    assert (loud["event"], loud["transaction"], loud["by"]) == ("promise broken", transaction, "ana")


def test_a_promise_without_its_hold_that_is_sent_again_is_parked_again(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE, settle="accept")
    transaction = without_its_hold(system)
    with pytest.raises(Unresolved):
        decide(system, transaction)
    assert system.index.parked() == [transaction]


def test_what_was_given_up_can_be_asked_for_again(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE, settle="accept")
    transaction = without_its_hold(system)
    decide(system, transaction, give_up=True)
    system.settle(transaction, "40.00")
    assert system.settlements(transaction) == [Decimal(40)]


def test_what_happened_in_part_cannot_be_given_up(system: System) -> None:
    transaction = half_settled(system)
    system.mapper.faults = [undisturbed, refuses]
    with pytest.raises(Unresolved):
        system.cancel(transaction, "35.00")
    with pytest.raises(Unresolved, match="a part of it happened"):
        decide(system, transaction, give_up=True)
    assert system.record(transaction).acts[2].state is ActState.PARKED


def test_what_the_card_cannot_pay_now_is_not_promised(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE, settle="accept")
    transaction = system.authorize("40.00")
    system.backend.frozen = True
    with pytest.raises(CardUnusable):
        system.settle(transaction, "40.00")
    assert system.record(transaction).acts[1].state is ActState.REFUSED
    system.backend.frozen = False
    system.settle(transaction, "40.00")
    assert system.settlements(transaction) == [Decimal(40)]
    assert system.backend.held == 4_000


def test_what_was_promised_stays_so_however_the_card_is_later(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE, settle="accept")
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    system.backend.frozen = True
    system.settle(transaction, "40.00")
    assert system.settlements(transaction) == [Decimal(40)]


def test_what_cannot_be_looked_at_is_made_before_it_is_answered(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = make_system(Holds.NATIVE, settle="accept")
    transaction = system.authorize("40.00")

    def down(card_id: str, deadline: Deadline) -> Card:
        raise BackendUnavailable("down")

    monkeypatch.setattr(system.mapper, "get_card", down)
    system.settle(transaction, "40.00")
    assert system.record(transaction).acts[1].state is ActState.DONE


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


@pytest.mark.parametrize(("canceled", "voided"), [("10.00", 1_000), ("60.00", 6_000)], ids=str)
def test_what_was_to_be_refunded_of_a_promise_that_is_given_up_is_voided(
    make_system: MakeSystem, canceled: str, voided: int
) -> None:
    system = make_system(Holds.NATIVE, settle="accept")
    transaction = system.authorize("60.00")
    system.settle(transaction, "60.00", "s1")
    system.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        system.cancel(transaction, canceled, "c1")
    assert system.record(transaction).refunded == system.record(transaction).acts[2].amount
    system.mapper.faults = [refuses]
    system.sweep()
    decide(system, transaction, give_up=True)
    record = system.record(transaction)
    assert (record.captured, record.voided, record.refunded) == (0, voided, 0)
    assert system.cancellations(transaction) == [Decimal(canceled)]
    assert (system.backend.held, system.backend.spendable) == (6_000 - voided, 4_000 + voided)


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


def test_a_refused_act_that_is_asked_for_again_behind_a_promise_lets_no_other_beside_it(
    make_system: MakeSystem,
) -> None:
    """One act at a time is unresolved, but for what was promised, however old the other one's name is."""
    system = make_system(Holds.NATIVE, settle="accept")
    transaction = system.authorize("60.00")
    system.backend.frozen = True
    with pytest.raises(CardUnusable):
        system.cancel(transaction, "10.00", "c1")
    system.backend.frozen = False
    system.settle(transaction, "20.00")
    with system.cut_off():
        system.mapper.faults = [unavailable, unavailable]
        for request_id in ("c1", "c2"):
            with pytest.raises((BackendUnavailable, OutcomeUnknown, Unresolved)):
                system.cancel(transaction, "10.00", request_id)
    waiting = [act.request_id for act in system.record(transaction).acts if act.state is ActState.PENDING]
    assert waiting == ["c1"]


def test_what_was_refused_before_takes_no_part_in_what_a_broken_promise_leaves_to_give_back(
    make_system: MakeSystem,
) -> None:
    """A cancellation that was to give back what the promise takes gives back what is held still, and no other does."""
    system = make_system(Holds.NATIVE, settle="accept")
    transaction = system.authorize("60.00")
    system.settle(transaction, "20.00", "s1")
    system.sweep()
    for value, request_id in (("45.00", "c1"), ("50.00", "c2")):
        system.mapper.faults = [refuses]
        with pytest.raises(CardUnusable):
            system.cancel(transaction, value, request_id)
    system.settle(transaction, "40.00", "s2")
    system.mapper.faults = [refuses]
    with pytest.raises(Unresolved):
        system.cancel(transaction, "45.00", "c1")
    decide(system, transaction, give_up=True)
    act = system.record(transaction).acts[2]
    assert (act.state, act.voided, act.refunded) == (ActState.DONE, 2_500, 2_000)
    assert system.backend.spendable == 10_000 - 6_000 + 4_500
