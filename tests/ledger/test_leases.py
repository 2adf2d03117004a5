"""Leases: one attempt at a time may send, and an attempt that lost its lease changes nothing of the one that has it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.ledger.caller import Caller
from app.ledger.errors import Unresolved
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.storage.answers import Lease, LeaseAnswer
from app.ledger.transaction import Operation, State, planned, wanted
from mappers.base import (
    Act,
    Holds,
    InsufficientFunds,
    MapperError,
    OutcomeUnknown,
    Receipt,
    Step,
    TransactionFacts,
    Verb,
)
from mappers.deadline import Deadline
from tests.ledger.driver import (
    authorize_within,
    change_within,
    half_settled,
    runs,
)
from tests.ledger.faults import (
    Killed,
    Run,
    dies,
    lost_before,
    undisturbed,
)
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System
from tests.money import minor


def test_an_act_under_lease_is_not_run_by_a_second_process(system: System) -> None:
    def meanwhile(step: Step, run: Run) -> Receipt:
        with pytest.raises(Unresolved):
            authorize_within(system, 0.2, "40.00", "order-1")
        assert runs(system) == [Verb.HOLD]
        return run()

    system.mapper.faults = [meanwhile]
    system.authorize("40.00")


def test_who_comes_while_another_attempt_is_under_way_waits_for_it(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.settle(transaction, "10.00")
    monkeypatch.setattr(system.parts.executor, "_sleep", lambda _: system.lose_lease(transaction))
    assert system.settle(transaction, "10.00")


def test_a_transaction_runs_one_act_at_a_time(system: System) -> None:
    transaction = system.authorize("40.00")

    def meanwhile(step: Step, run: Run) -> Receipt:
        change = ChangeRequest(CARD, transaction, minor(10), "c1")
        with pytest.raises(Unresolved):
            system.ledger.cancel(system.provider, change, Deadline.after(0.2))
        assert [act.oid for act in system.record(transaction).acts[1:]] == [system.record(transaction).acts[1].oid]
        return run()

    system.mapper.faults = [meanwhile]
    system.settle(transaction, "10.00", "s1")
    system.cancel(transaction, "10.00", "c1")


def test_an_attempt_sends_in_the_first_half_of_its_lease_only(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE, lease=timedelta(seconds=4))
    run, left = system.mapper.run, []

    def timed(step: Step, deadline: Any) -> Receipt:
        left.append(deadline.remaining_seconds())
        return run(step, deadline)

    system.mapper.run = timed  # type: ignore[method-assign]
    system.authorize("40.00")
    assert left[0] <= 2


def test_a_late_refusal_does_not_overwrite_a_success(system: System) -> None:
    """The first attempt wakes up with a refusal, when the second has already succeeded."""

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(system.only_record().id)
        system.authorize("40.00")
        raise InsufficientFunds("refused, too late")

    system.mapper.faults = [overtaken]
    transaction = system.authorize("40.00")
    assert system.record(transaction).state is State.AUTHORIZED
    assert system.backend.held == 4_000


def test_an_attempt_without_the_lease_cannot_refuse_the_act(system: System) -> None:
    def overtaken(step: Step, run: Run) -> Receipt:
        record = system.only_record()
        system.lose_lease(record.id)
        assert system.storage.take_lease(record, Caller.vtex(), one_step_at_a_time=False).answer is LeaseAnswer.LEASED
        raise InsufficientFunds("refused, too late")

    system.mapper.faults = [overtaken]
    with pytest.raises(Unresolved):
        system.ledger.authorize(
            system.provider, AuthorizationRequest(CARD, Operation.DEBIT, minor(40), "order-1"), Deadline.after(0.3)
        )
    assert system.only_record().state is State.PENDING
    system.lose_lease(system.only_record().id)
    system.authorize("40.00")
    assert system.backend.held == 4_000


def test_an_attempt_that_lost_its_lease_between_two_steps_does_not_run_the_second(system: System) -> None:
    transaction = half_settled(system)

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(transaction)
        taken = system.storage.take_lease(system.record(transaction), Caller.vtex(), one_step_at_a_time=False)
        assert taken.answer is LeaseAnswer.LEASED
        return run()

    system.mapper.faults = [overtaken]
    with pytest.raises(Unresolved):
        change_within(system, 0.3, transaction, "35.00", "cancel", "cancel-1")
    assert runs(system) == [Verb.VOID]


def test_an_attempt_that_lost_its_lease_does_not_overwrite_finished_steps(system: System) -> None:
    """The first attempt stalls in its first step; the second does two of three and dies; then the first wakes up."""
    transaction = system.authorize("40.00")

    def in_three(act: Act, transaction: TransactionFacts) -> list[Step]:
        return [transaction.step(Verb.VOID, 1_000, system.mapper._hold(transaction)) for _ in range(3)]

    def dies(step: Step, run: Run) -> Receipt:
        raise Killed

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(transaction)
        system.mapper.faults = [undisturbed, undisturbed, dies]
        with pytest.raises(Killed):
            system.cancel(transaction, "30.00")
        return run()

    system.mapper.plan = in_three  # type: ignore[method-assign]
    system.mapper.faults = [overtaken]
    with pytest.raises(Unresolved):
        change_within(system, 0.3, transaction, "30.00", "cancel", "cancel-1")
    steps = system.record(transaction).acts[1].steps
    assert [step.receipt is not None for step in steps] == [True, True, False]


def test_an_attempt_that_begins_does_not_forget_a_step_that_an_overtaken_one_finished_since(system: System) -> None:
    transaction = half_settled(system)
    system.mapper.faults = [lost_before]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.cancel(transaction, "35.00")
    record = system.record(transaction)
    act = record.acts[-1]
    first, second = (
        _leased(system, transaction),
        _leased(system, transaction),
    )
    steps = planned(system.mapper.plan(wanted(act), record.view(act)))
    system.storage.progress(record, act, first, [replace(steps[0], receipt=Receipt("voided")), *steps[1:]])
    system.storage.progress(record, act, second, steps)
    assert system.record(transaction).acts[-1].steps[0].receipt == Receipt("voided")


def _leased(system: System, transaction: str) -> Lease:
    system.lose_lease(transaction)
    taken = system.storage.take_lease(system.record(transaction), Caller.vtex(), one_step_at_a_time=False)
    assert taken.lease is not None
    return taken.lease


def test_a_step_that_two_attempts_found_done_counts_once(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER)
    transaction = system.authorize("40.00")

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(transaction)
        system.settle(transaction, "10.00")
        return run()

    system.mapper.faults = [overtaken]
    system.settle(transaction, "10.00")
    assert (system.standing.reserved, system.standing.taking) == (3_000, 0)
    assert [event["what"] for event in system.storage.events(transaction)][-2:] == ["opened", "done"]


def test_an_attempt_that_lost_its_lease_adds_nothing_to_what_is_done(system: System) -> None:
    transaction = half_settled(system)

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(transaction)
        system.cancel(transaction, "35.00")
        return run()

    system.mapper.faults = [overtaken]
    system.cancel(transaction, "35.00")
    assert [event["what"] for event in system.storage.events(transaction)][-3:] == ["opened", "step done", "done"]


def test_an_attempt_that_lost_its_lease_does_not_replace_the_balance_that_another_read(non_idempotent: System) -> None:
    """With the old one, a purchase made elsewhere meanwhile would pass for the settlement."""
    system = non_idempotent
    system.look_before_capturing()
    transaction = system.authorize("40.00")
    apply, stalling = system.mapper._apply, [True]

    def stalls_after_its_look(step: Step) -> Receipt:
        receipt = apply(step)
        if step.verb is Verb.LOOK and stalling and stalling.pop():
            system.lose_lease(transaction)
            system.backend.balances[CARD] = 7_000
            system.mapper.faults = [lost_before]
            with pytest.raises(OutcomeUnknown):
                system.settle(transaction, "40.00")
        return receipt

    system.mapper._apply = stalls_after_its_look  # type: ignore[method-assign]
    with suppress(MapperError, Unresolved):
        system.settle(transaction, "40.00")
    look = system.record(transaction).acts[1].steps[0].receipt
    assert look is not None
    assert look.balance == 7_000
