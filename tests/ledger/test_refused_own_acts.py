"""What the ledger wants by itself may be refused: that is noted, all else goes on, and it is tried again."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.ledger.caller import Caller
from app.ledger.errors import Unresolved
from app.ledger.storage.answers import AppendAnswer
from app.ledger.storage.intents import NewAct
from app.ledger.transaction import ActState, Reason, State
from mappers.base import Act, ActKind, CardUnusable, Holds, OutcomeUnknown, Receipt, Step, TransactionFacts, Verb
from tests.ledger.driver import runs
from tests.ledger.faults import Run, lost_after, refuses, unavailable, undisturbed
from tests.ledger.system import MakeSystem, System
from tests.ledger.test_stated_times import due_in_seconds, stated

A_DAY_SECONDS = 24 * 3600


def expired(system: System) -> str:
    return system.authorize("60.00")


def with_remainder(system: System) -> str:
    transaction = system.authorize("60.00")
    system.settle(transaction, "40.00")
    return transaction


def unacknowledged(system: System) -> str:
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("60.00")
    system.sweep()
    return system.only_record().id


def too_late(system: System) -> str:
    """An authorization that is abandoned succeeds after all. Undoing it is the first thing that is refused."""

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(system.only_record().id)
        assert system.sweep() == {"abandoned": 1}
        system.mapper.faults = [refuses]
        return run()

    system.mapper.faults = [overtaken]
    with pytest.raises(Unresolved):
        system.ledger.authorize(system.provider, system.authorization_request("60.00", "order-1"), system.deadline(1))
    return system.only_record().id


OWN = {
    Reason.EXPIRED: expired,
    Reason.REMAINDER: with_remainder,
    Reason.ABANDONED: unacknowledged,
    Reason.LATE: too_late,
}


@pytest.fixture(params=OWN, ids=str)
def refused(request: pytest.FixtureRequest, system: System) -> tuple[System, str]:
    """A transaction of which the ledger would give back what is held, and the backend certainly refused that."""
    transaction = OWN[request.param](system)
    if request.param is not Reason.LATE:
        system.mapper.faults = [refuses]
        assert system.sweep() == {"refused": 1}
    assert system.record(transaction).acts[-1].reason is request.param
    return system, transaction


def test_it_is_noted_and_nothing_stays_unresolved(refused: tuple[System, str]) -> None:
    system, transaction = refused
    record = system.record(transaction)
    assert (record.acts[-1].state, record.unresolved, record.voided) == (ActState.REFUSED, None, 0)
    assert system.index.parked() == []
    assert system.storage.events(transaction)[-1]["detail"] == "not now"


def test_it_is_tried_again_a_day_later_and_not_before(refused: tuple[System, str]) -> None:
    system, transaction = refused
    assert due_in_seconds(system, transaction) == stated(A_DAY_SECONDS)
    assert dict(system.sweeper.sweep_once().counts) == {}


def test_it_is_tried_again_as_the_same_act_until_it_succeeds(refused: tuple[System, str]) -> None:
    system, transaction = refused
    acts = len(system.record(transaction).acts)
    system.mapper.faults = [refuses, unavailable, refuses]
    for _ in range(4):
        system.sweep()
    assert due_in_seconds(system, transaction) > A_DAY_SECONDS
    record = system.record(transaction)
    assert (len(record.acts), record.acts[-1].state, system.backend.held) == (acts, ActState.DONE, 0)
    assert record.state not in (State.PENDING, State.AUTHORIZED)
    assert system.backend.spendable == 10_000 - record.captured


def test_reads_and_refunds_go_on(system: System) -> None:
    transaction = with_remainder(system)
    system.mapper.faults = [refuses]
    system.sweep()
    assert system.settlements(transaction) == [Decimal(40)]
    assert system.cancellations(transaction) == []
    system.cancel(transaction, "60.00")
    assert system.cancellations(transaction) == [Decimal(60)]
    assert system.backend.spendable == 10_000
    assert due_in_seconds(system, transaction) > 300 * A_DAY_SECONDS


def test_what_is_left_since_is_given_back_as_an_act_of_its_own(system: System) -> None:
    transaction = with_remainder(system)
    system.mapper.faults = [refuses]
    system.sweep()
    system.cancel(transaction, "5.00")
    assert system.sweep() == {"remainder": 1}
    assert system.backend.spendable == 10_000 - 4_000


def test_an_authorization_that_could_not_be_abandoned_is_kept_for_whoever_comes_back(system: System) -> None:
    transaction = unacknowledged(system)
    system.mapper.faults = [refuses]
    system.sweep()
    assert system.authorize("60.00") == transaction
    assert due_in_seconds(system, transaction) > 29 * A_DAY_SECONDS


def test_nothing_else_is_begun_on_an_abandoned_authorization_while_the_late_one_is_not_undone(system: System) -> None:
    record = system.record(too_late(system))
    system.make_due()
    new = NewAct(
        ActKind.REVERSAL,
        record.amount,
        one_step_at_a_time=False,
        reason=Reason.ABANDONED,
        own_oid=record.next_own_act(Reason.ABANDONED),
        due_by=system.connection.now_milliseconds(),
    )
    assert system.storage.append(record.address, system.provider.backend, new).answer is AppendAnswer.CLOSED


def test_an_abandoned_authorization_is_not_opened_again_before_the_late_one_is_undone(system: System) -> None:
    transaction = too_late(system)
    with pytest.raises(Unresolved, match="not undone yet"):
        system.authorize("60.00")
    assert system.backend.held == 6_000
    system.sweep()
    assert system.backend.held == 0
    assert system.authorize("60.00") == transaction
    assert system.backend.held == 6_000


def test_a_repeated_authorization_leaves_what_was_refused_to_be_tried_again(system: System) -> None:
    """VTEX has its answer already: that it asks once more says nothing about what is left."""
    transaction = with_remainder(system)
    system.mapper.faults = [refuses]
    system.sweep()
    assert system.authorize("60.00") == transaction
    assert due_in_seconds(system, transaction) == stated(A_DAY_SECONDS)


def test_a_late_success_of_a_refused_own_act_ends_it(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE)
    transaction = with_remainder(system)

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(transaction)
        system.mapper.faults = [refuses]
        record, deadline = system.record(transaction), system.deadline()
        system.parts.executor.resolve(system.provider, record, deadline, Caller.background("another sweeper"))
        assert system.record(transaction).acts[-1].state is ActState.REFUSED
        return run()

    system.mapper.faults = [overtaken]
    system.sweep()
    assert system.record(transaction).state is State.CLOSED
    assert due_in_seconds(system, transaction) > 300 * A_DAY_SECONDS


def test_an_own_act_of_which_a_part_happened_is_finished_or_left_for_a_person(make_system: MakeSystem) -> None:
    """Half of it moved money: refused, its amounts would be wrong."""
    system = make_system(Holds.UPFRONT)
    plan = system.mapper.plan

    def in_two_steps(act: Act, transaction: TransactionFacts) -> list[Step]:
        if act.kind is not ActKind.REVERSAL:
            return list(plan(act, transaction))
        return [transaction.step(Verb.REFUND, act.amount // 2) for _ in range(2)]

    system.mapper.plan = in_two_steps  # type: ignore[method-assign]
    transaction = system.authorize("60.00")
    system.mapper.faults = [undisturbed, refuses]
    system.sweep()
    assert system.record(transaction).acts[-1].state is ActState.PARKED
    with pytest.raises(Unresolved):
        system.cancellations(transaction)


def test_a_refused_settlement_of_vtex_is_not_tried_again_by_itself(system: System) -> None:
    transaction = system.authorize("60.00")
    system.mapper.faults = [refuses]
    with pytest.raises(CardUnusable):
        system.settle(transaction, "40.00")
    assert due_in_seconds(system, transaction) > 29 * A_DAY_SECONDS
    assert system.sweep() == {"expired": 1}
    assert runs(system)[-1] is Verb.VOID
