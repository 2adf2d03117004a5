"""Refused acts that are requested again: planned anew, and asked for first when another attempt may have sent them."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pytest

from app.ledger.errors import TransactionNotFound
from app.ledger.transaction import State
from mappers import whole_capture
from mappers.base import (
    Act,
    ActKind,
    BackendUnavailable,
    CardUnusable,
    Holds,
    InsufficientFunds,
    Receipt,
    Step,
    TransactionFacts,
    Verb,
)
from tests.ledger.driver import runs
from tests.ledger.faults import (
    Killed,
    Run,
    refuses,
    unavailable,
    undisturbed,
)
from tests.ledger.reference_model import CARD, ReferenceMapper
from tests.ledger.system import MakeSystem, System
from tests.stored import rewrite


def test_a_refused_settlement_can_be_repeated(non_idempotent: System) -> None:
    """The card was drained elsewhere between authorization and settlement, and charged again later."""
    system = non_idempotent
    transaction = system.authorize("40.00")
    system.backend.balances[CARD] = 1_000
    with pytest.raises(InsufficientFunds):
        system.settle(transaction, "40.00")
    assert system.settlements(transaction) == []
    system.backend.balances[CARD] = 4_000
    system.settle(transaction, "40.00")
    assert system.settlements(transaction) == [Decimal("40.00")]
    assert system.backend.spendable == 0


def test_a_refused_authorization_cannot_be_settled(system: System) -> None:
    with pytest.raises(InsufficientFunds):
        system.authorize("100.01")
    with pytest.raises(TransactionNotFound):
        system.settle(system.only_record().id, "1.00")


def test_a_repeated_cancellation_is_planned_anew_after_a_refusal(make_system: MakeSystem) -> None:
    """It would have given back 10 of what was taken; meanwhile all 30 of it were taken."""
    system = make_system(Holds.LEDGER)
    transaction = system.authorize("60.00")
    system.settle(transaction, "40.00", "s1")
    system.mapper.faults = [refuses]
    with pytest.raises(CardUnusable):
        system.cancel(transaction, "30.00", "c1")
    system.settle(transaction, "20.00", "s2")
    system.cancel(transaction, "30.00", "c1")
    assert system.record(transaction).refunded == 3_000
    assert system.backend.spendable == 10_000 - 6_000 + 3_000


def test_a_repeated_cancellation_refunds_a_settlement_made_since_the_refusal(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE)
    transaction = system.authorize("60.00")
    system.mapper.faults = [refuses]
    with pytest.raises(CardUnusable):
        system.cancel(transaction, "60.00", "c1")
    system.settle(transaction, "60.00", "s1")
    system.cancel(transaction, "60.00", "c1")
    assert system.backend.spendable == 10_000


def test_a_refused_settlement_is_repeated_although_another_one_is_pending(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE)
    transaction = system.authorize("40.00")
    system.mapper.faults = [refuses]
    with pytest.raises(CardUnusable):
        system.settle(transaction, "10.00", "s1")
    system.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        system.settle(transaction, "20.00", "s2")
    system.settle(transaction, "10.00", "s1")
    assert sorted(system.settlements(transaction)) == [Decimal(10), Decimal(20)]


def test_a_repeated_settlement_reads_the_balance_again_after_a_refusal(non_idempotent: System) -> None:
    """What was looked at before the refusal is old: the card may hold enough by now, or have been used elsewhere."""
    system = non_idempotent
    seen: list[int | None] = []

    def as_looked_at(step: Step, run: Run) -> Receipt:
        seen.append(step.earlier[-1].balance)
        return run()

    system.look_before_capturing()
    system.mapper.faults = [as_looked_at, as_looked_at]
    transaction = system.authorize("40.00")
    system.backend.balances[CARD] = 1_000
    with pytest.raises(InsufficientFunds):
        system.settle(transaction, "40.00")
    system.backend.balances[CARD] = 4_000
    system.settle(transaction, "40.00")
    assert seen == [1_000, 4_000]


def stall_while_another_is_refused(system: System, transaction: str) -> None:
    """A process sleeps past its lease, sends its settlement after another one was refused, and dies."""

    def late(step: Step, run: Run) -> Receipt:
        system.lose_lease(transaction)
        system.backend.frozen = True
        with pytest.raises(CardUnusable):
            system.settle(transaction, "40.00")
        system.backend.frozen = False
        run()
        raise Killed

    system.mapper.faults = [late]
    with pytest.raises(Killed):
        system.settle(transaction, "40.00")


def test_a_repeated_settlement_is_asked_for_first_when_another_attempt_may_have_sent_it(non_idempotent: System) -> None:
    """A process that slept past its lease may have sent it after another one was refused, and have died."""
    system = non_idempotent
    transaction = system.authorize("40.00")

    stall_while_another_is_refused(system, transaction)
    system.settle(transaction, "40.00")
    assert system.backend.effects.total() == 1
    assert system.settlements(transaction) == [Decimal(40)]


def test_a_repeated_settlement_that_reads_the_balance_again_is_asked_for_first(non_idempotent: System) -> None:
    system = non_idempotent
    system.look_before_capturing()
    transaction = system.authorize("40.00")

    stall_while_another_is_refused(system, transaction)
    system.settle(transaction, "40.00")
    assert system.backend.spendable == 6_000


def test_a_repeated_settlement_is_sent_without_asking_when_no_other_attempt_was_made(non_idempotent: System) -> None:
    """Where no id is echoed the answer would be a guess, and a person would have to decide."""
    system = non_idempotent
    transaction = system.authorize("40.00")
    system.backend.frozen = True
    with pytest.raises(CardUnusable):
        system.settle(transaction, "40.00")
    system.backend.frozen = False
    system.mapper.tells = False
    system.settle(transaction, "40.00")
    assert system.settlements(transaction) == [Decimal(40)]


def test_a_repeated_cancellation_goes_on_after_the_part_of_it_that_happened(make_system: MakeSystem) -> None:
    """All was captured in order to give a part back; planned anew, the refund would have the capture's key."""
    system = make_system(Holds.NATIVE)

    def whole_capture(act: Act, transaction: TransactionFacts) -> list[Step]:
        if act.kind is not ActKind.REVERSAL or any(step.verb is Verb.CAPTURE for step in transaction.done):
            return list(ReferenceMapper.plan(system.mapper, act, transaction))
        hold = system.mapper._hold(transaction)
        return [transaction.step(Verb.CAPTURE, 4_000, hold), transaction.step(Verb.REFUND, act.amount)]

    system.mapper.plan = whole_capture  # type: ignore[method-assign]
    transaction = system.authorize("40.00")
    system.mapper.faults = [undisturbed, refuses]
    with pytest.raises(CardUnusable):
        system.cancel(transaction, "10.00")
    system.cancel(transaction, "10.00")
    oid = system.record(transaction).acts[1].oid
    assert [name for name in system.backend.effects if name.startswith(oid)] == [f"{oid}-1", f"{oid}-2"]
    assert system.backend.spendable == 7_000


def test_a_killed_settlement_is_asked_for(non_idempotent: System) -> None:
    system = non_idempotent
    transaction = system.authorize("40.00")

    def dies_after_it(step: Step, run: Run) -> Receipt:
        run()
        raise Killed

    system.mapper.faults = [dies_after_it]
    with pytest.raises(Killed):
        system.settle(transaction, "40.00")
    system.lose_lease(transaction)
    system.settle(transaction, "40.00")
    assert system.backend.effects.total() == 1


def test_a_part_that_moved_nobodys_money_is_not_done_again(make_system: MakeSystem) -> None:
    """Where holds can only be captured whole, all is taken, and what was canceled goes back: that is refused."""
    system = make_system(Holds.NATIVE, repeatable=False)
    system.mapper.plan = partial(whole_capture.plan, refund_whole=False)  # type: ignore[method-assign]
    transaction = system.authorize("40.00")
    system.mapper.faults = [undisturbed, refuses]
    with pytest.raises(CardUnusable):
        system.cancel(transaction, "10.00")
    system.backend.calls.clear()
    system.cancel(transaction, "10.00")
    assert runs(system) == [Verb.REFUND]
    assert system.backend.spendable == 7_000


def test_a_refused_settlement_is_not_tried_again_once_nothing_is_authorized(system: System) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [refuses]
    with pytest.raises(CardUnusable):
        system.settle(transaction, "40.00")
    rewrite(system.connection._client, transaction, state=State.REFUSED.value)
    system.backend.calls.clear()
    with pytest.raises(TransactionNotFound):
        system.settle(transaction, "40.00")
    assert runs(system) == []
