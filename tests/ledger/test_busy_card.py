"""Cards on which one step at a time may run: a backend that echoes no id is judged by its balance."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.ledger.caller import Caller
from app.ledger.errors import Unresolved
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.storage import keys
from app.ledger.transaction import ActState, Decision, Operation, State, Transaction
from mappers.base import (
    Holds,
    OutcomeUnknown,
    Receipt,
    Step,
    Verb,
)
from mappers.deadline import Deadline
from tests.ledger.driver import (
    authorize_within,
    change_within,
    left_for_a_person,
    runs,
)
from tests.ledger.faults import (
    Killed,
    Run,
    dies,
    error_before,
    lost_before,
)
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System
from tests.money import minor


@pytest.mark.parametrize("holds", list(Holds))
def test_steps_on_one_card_do_not_overlap_where_only_the_balance_shows_them(
    make_system: MakeSystem, holds: Holds
) -> None:
    system = make_system(holds, repeatable=False, one_step_at_a_time=True)
    transactions = [system.authorize("10.00", "order-1"), system.authorize("10.00", "order-2")]
    credit = system.authorize("10.00", "order-0", "Credit")
    verb = {Holds.NATIVE: Verb.CAPTURE, Holds.UPFRONT: Verb.REFUND, Holds.LEDGER: Verb.DEBIT}[holds]

    def act(number: int, seconds: float) -> None:
        change = ChangeRequest(CARD, transactions[number], minor(10), "r1")
        use_case = system.ledger.cancel if holds is Holds.UPFRONT else system.ledger.settle
        use_case(system.provider, change, Deadline.after(seconds))

    def meanwhile(step: Step, run: Run) -> Receipt:
        before = list(system.backend.calls)
        with pytest.raises(Unresolved):
            act(1, 0.2)
        operation = Operation.CREDIT if holds is Holds.LEDGER else Operation.DEBIT
        opening = AuthorizationRequest(CARD, operation, minor(10), "order-3")
        with pytest.raises(Unresolved):
            system.ledger.authorize(system.provider, opening, Deadline.after(0.2))
        with pytest.raises(Unresolved):
            change_within(system, 0.2, credit, "10.00", "cancel", "cancel-1")
        # What needs no step at the backend need not wait.
        if holds is not Holds.NATIVE:
            change = "settle" if holds is Holds.UPFRONT else "cancel"
            change_within(system, 0.2, transactions[1], "1.00", change, "change-1")
        assert system.backend.calls == before
        return run()

    system.mapper.faults = [meanwhile]
    act(0, 5)
    transactions[1] = system.authorize("10.00", "order-5")
    act(1, 5)
    assert [done for call, done, _ in system.backend.calls if call == "run" and done is verb] == [verb, verb]


def test_a_card_is_freed_only_by_the_transaction_that_keeps_it_busy(non_idempotent: System) -> None:
    system = non_idempotent
    first, second = system.authorize("10.00", "order-1"), system.authorize("10.00", "order-2")

    def meanwhile(step: Step, run: Run) -> Receipt:
        system.authorize("10.00", "order-3")
        with pytest.raises(Unresolved):
            change_within(system, 0.2, second, "10.00", "settle", "settle-2")
        assert runs(system) == [Verb.DEBIT]
        return run()

    system.mapper.faults = [meanwhile]
    system.settle(first, "10.00")


def test_a_parked_act_waits_while_its_card_is_busy(non_idempotent: System) -> None:
    system = non_idempotent
    waiting = left_for_a_person(system)
    transaction = system.authorize("10.00", "order-2")

    def meanwhile(step: Step, run: Run) -> Receipt:
        before = list(system.backend.calls)
        with pytest.raises(Unresolved):
            system.parts.executor.decide(
                system.provider, system.record(waiting), system.deadline(0.2), Decision("ana", False, "")
            )
        assert system.backend.calls == before
        return run()

    system.mapper.faults = [meanwhile]
    system.settle(transaction, "10.00")


def test_a_decision_that_finds_the_card_busy_leaves_the_act_parked(non_idempotent: System) -> None:
    """Else the sweeper, for which only a parked act is one that a person must repeat, would repeat it."""
    system = non_idempotent
    waiting = system.authorize("40.00", "order-1")
    system.mapper.faults = [lost_before]
    system.mapper.tells = False
    with pytest.raises(OutcomeUnknown):
        system.settle(waiting, "40.00")
    system.lose_lease(waiting)
    with pytest.raises(Unresolved):
        system.settle(waiting, "40.00")
    system.mapper.tells = True
    other = system.authorize("10.00", "order-2")

    def decided_meanwhile(step: Step, run: Run) -> Receipt:
        with pytest.raises(Unresolved):
            system.parts.executor.decide(
                system.provider, system.record(waiting), system.deadline(0.2), Decision("ana", True, "r-1")
            )
        return run()

    system.mapper.faults = [decided_meanwhile]
    system.settle(other, "10.00")
    assert system.record(waiting).acts[1].state is ActState.PARKED
    system.sweep()
    assert system.backend.spendable == 9_000


def test_another_authorization_does_not_start_the_one_that_keeps_the_card_busy(make_system: MakeSystem) -> None:
    """Its process was killed before it sent anything, and VTEX does not ask again: it would hold the money for days."""
    system = make_system(Holds.UPFRONT, repeatable=False, one_step_at_a_time=True)
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.authorize("40.00", "order-1")
    abandoned = system.only_record().id
    system.lose_lease(abandoned)
    system.authorize("100.00", "order-2")
    assert system.record(abandoned).state is State.ABANDONED
    assert system.backend.spendable == 0


def test_another_authorization_does_not_repeat_the_one_that_keeps_the_card_busy(upfront: System) -> None:
    system = upfront
    system.mapper.faults = [error_before]
    with pytest.raises(OutcomeUnknown):
        authorize_within(system, 0.05, "40.00", "order-1")
    system.authorize("10.00", "order-2")
    assert system.backend.spendable == 9_000


def test_a_promised_settlement_keeps_its_card_busy_while_it_is_made(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER, settle="accept", repeatable=False, one_step_at_a_time=True)
    transactions = [system.authorize("10.00", order) for order in ("order-1", "order-2")]
    for transaction in transactions:
        system.settle(transaction, "10.00")

    def meanwhile(step: Step, run: Run) -> Receipt:
        before = list(system.backend.calls)
        for transaction in transactions:
            with pytest.raises(Unresolved, match="another attempt is under way"):
                system.parts.executor.resolve(
                    system.provider, system.record(transaction), system.deadline(), Caller.background("another process")
                )
        assert system.backend.calls == before
        return run()

    system.mapper.faults = [meanwhile]
    system.sweep()
    system.sweep()
    assert system.backend.spendable == 8_000


def test_what_waits_for_a_promised_settlement_helps_the_dead_one_that_keeps_its_card_busy(
    make_system: MakeSystem,
) -> None:
    system = make_system(Holds.LEDGER, settle="accept", repeatable=False, one_step_at_a_time=True)
    dead, waiting = (system.authorize("10.00", order) for order in ("order-1", "order-2"))
    for transaction in (dead, waiting):
        system.settle(transaction, "7.00")
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.cancel(dead, "3.00")
    system.lose_lease(dead)
    system.cancel(waiting, "3.00")
    assert system.cancellations(waiting) == [Decimal(3)]
    assert system.backend.spendable == 8_600


def test_a_parked_act_is_asked_about_while_its_card_is_busy_and_keeps_it_from_nobody(non_idempotent: System) -> None:
    """To ask is no step: only a person lets a parked act take one."""
    system = non_idempotent
    waiting = left_for_a_person(system)
    transaction = system.authorize("10.00", "order-2")
    asked = []

    def resolve(record: Transaction) -> None:
        with pytest.raises(Unresolved, match="a person must decide"):
            system.parts.executor.resolve(system.provider, record, system.deadline(), Caller.background("the sweeper"))

    def meanwhile(step: Step, run: Run) -> Receipt:
        system.lose_lease(waiting)
        resolve(system.record(waiting))
        asked.append(system.backend.calls[-1][0])
        return run()

    system.mapper.faults = [meanwhile]
    system.settle(transaction, "10.00")
    assert asked == ["ask"]


def test_a_card_that_is_busy_for_what_redis_has_lost_is_not_used(non_idempotent: System) -> None:
    system = non_idempotent
    dead, waiting = system.authorize("10.00", "order-1"), system.authorize("10.00", "order-2")
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.settle(dead, "10.00")
    system.connection._client.delete(str(keys.of_transaction(dead)))
    with pytest.raises(Unresolved):
        change_within(system, 0.1, waiting, "10.00", "settle", "settle-2")
    assert runs(system) == [Verb.DEBIT]
