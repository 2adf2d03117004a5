"""Outcomes that arrive after another attempt has answered: a late success is undone, counted or shown, never lost."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from app.admin.transactions import by_hand
from app.ledger.caller import Caller
from app.ledger.errors import TransactionNotFound, Unresolved
from app.ledger.storage.answers import Lease, LeaseAnswer, RecordAnswer
from app.ledger.transaction import ActState, Decision, PlannedStep, State, Transaction
from mappers.base import (
    CardUnusable,
    Holds,
    InsufficientFunds,
    OutcomeUnknown,
    Receipt,
    Step,
    Verb,
)
from tests.ledger.driver import (
    change_within,
    decide,
    half_settled,
    leased,
    park_meanwhile,
    parked_in_redis,
)
from tests.ledger.faults import (
    Killed,
    Run,
    dies,
    error_after,
    lost_before,
)
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System
from tests.stored import stored


def test_a_success_after_a_refusal_is_undone(system: System) -> None:
    """The first attempt stalls past its lease; the second is refused; then the first one's hold succeeds after all."""

    def overtaken(step: Step, run: Run) -> Receipt:
        transaction = system.only_record().id
        system.lose_lease(transaction)
        system.backend.balances[CARD] = 0
        with pytest.raises(InsufficientFunds):
            system.authorize("40.00")
        system.backend.balances[CARD] = 10_000
        return run()

    system.mapper.faults = [overtaken]
    with pytest.raises(InsufficientFunds):
        system.authorize("40.00")
    assert system.backend.held == 0
    assert system.backend.spendable == 10_000
    assert system.only_record().unresolved is None


@pytest.mark.parametrize(("value", "state"), [("40.00", State.CLOSED), ("39.99", State.AUTHORIZED)])
def test_a_late_settlement_of_all_closes_the_transaction(make_system: MakeSystem, value: str, state: State) -> None:
    """Else a cancellation of nothing is made when the authorization's time is over, and shown to VTEX."""
    system = make_system(Holds.NATIVE)
    transaction = system.authorize("40.00")

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(transaction)
        system.backend.frozen = True
        with pytest.raises(CardUnusable):
            system.settle(transaction, value)
        system.backend.frozen = False
        return run()

    system.mapper.faults = [overtaken]
    system.settle(transaction, value)
    assert system.settlements(transaction) == [Decimal(value)]
    assert system.record(transaction).state is state
    system.sweep()
    assert len(system.cancellations(transaction)) == (state is State.AUTHORIZED)


def test_an_authorization_that_was_refused_stays_so_whenever_what_undoes_a_late_one_succeeds(system: System) -> None:
    """What would give the hold back is refused to one attempt, and happened by the one before it."""

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(system.only_record().id)
        system.backend.frozen = True
        with pytest.raises(CardUnusable):
            system.authorize("40.00")
        system.backend.frozen = False
        system.mapper.faults = [dies]
        return run()

    system.mapper.faults = [overtaken]
    with pytest.raises(Killed):
        system.authorize("40.00")
    transaction = system.only_record().id
    (first, lease), (second, later_lease) = leased(system, transaction), leased(system, transaction)
    system.storage.refuse(second, second.acts[1], later_lease, (), CardUnusable("frozen"), retry=timedelta(days=1))
    steps = [PlannedStep(Verb.VOID, 4_000, f"{transaction}-1", receipt=Receipt("V1"))]
    done = system.storage.finish(
        first, first.acts[1], lease, steps, wanted=True, remainder_ttl=timedelta(days=30), read_lag=timedelta()
    )  # fmt: skip
    assert done.answer is RecordAnswer.LATE
    assert (done.transaction.state, done.transaction.unresolved) == (State.REFUSED, None)


def test_a_late_cancellation_counts(system: System) -> None:
    transaction = system.authorize("40.00")

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(transaction)
        system.backend.frozen = True
        with pytest.raises(CardUnusable):
            system.cancel(transaction, "40.00")
        system.backend.frozen = False
        return run()

    system.mapper.faults = [overtaken]
    system.cancel(transaction, "40.00")
    record = system.record(transaction)
    assert (record.voided, record.state, parked_in_redis(system)) == (4_000, State.CLOSED, [])
    assert system.backend.spendable == 10_000


def test_a_late_refund_over_the_cap_is_not_counted(system: System) -> None:
    """It was refused to the attempt that took it over, all was given back under another name, and then it happened."""
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(transaction)
        system.backend.frozen = True
        with pytest.raises(CardUnusable):
            system.cancel(transaction, "40.00", "c1")
        system.backend.frozen = False
        system.cancel(transaction, "40.00", "c2")
        return run()

    system.mapper.faults = [overtaken]
    with pytest.raises(CardUnusable):
        system.cancel(transaction, "40.00", "c1")
    assert (system.record(transaction).refunded, parked_in_redis(system)) == (4_000, [transaction])


def test_a_late_success_over_the_cap_is_not_counted(system: System) -> None:
    """It was refused to the attempt that took it over, all was canceled, and then the backend says that it happened."""
    transaction = system.authorize("40.00")

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(transaction)
        system.backend.frozen = True
        with pytest.raises(CardUnusable):
            system.settle(transaction, "40.00")
        system.backend.frozen = False
        system.cancel(transaction, "40.00")
        return Receipt("a capture without an explanation")

    system.mapper.faults = [overtaken]
    with pytest.raises(CardUnusable):
        system.settle(transaction, "40.00")
    record = system.record(transaction)
    assert (record.captured, record.voided) == (0, 4_000)
    assert parked_in_redis(system) == [transaction]


def test_a_late_success_over_the_cap_is_shown_until_a_person_closes_it(non_idempotent: System) -> None:
    """A settlement is refused, its room is canceled, and then it turns out to have happened."""
    system = non_idempotent
    transaction = system.authorize("40.00")

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(transaction)
        system.backend.balances[CARD] = 0
        with pytest.raises(InsufficientFunds):
            system.settle(transaction, "40.00")
        system.backend.balances[CARD] = 10_000
        system.cancel(transaction, "40.00")
        return run()

    system.mapper.faults = [overtaken]
    with pytest.raises((InsufficientFunds, Unresolved, TransactionNotFound)):
        system.settle(transaction, "40.00")
    assert system.index.parked() == [transaction]
    record = system.record(transaction)
    assert (record.captured, record.voided, record.unresolved) == (0, 4_000, None)
    system.ledger.decide(system.provider, record.address, system.deadline(), Decision("ana", True))
    assert system.index.parked() == []
    assert system.storage.events(transaction)[-1]["what"] == "seen to"


def settle_too_late(system: System, transaction: str) -> None:
    """A process stalls past its lease with a settlement that is refused, replaced by another, and then succeeds."""

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(transaction)
        system.backend.frozen = True
        with pytest.raises(CardUnusable):
            system.settle(transaction, "60.00", "s1")
        system.backend.frozen = False
        system.cancel(transaction, "20.00", "c1")
        system.settle(transaction, "40.00", "s2")
        return run()

    system.mapper.faults = [overtaken]
    with pytest.raises(CardUnusable):
        system.settle(transaction, "60.00", "s1")
    assert system.index.parked() == [transaction]


def test_a_late_success_stays_shown_when_another_act_is_decided(non_idempotent: System) -> None:
    system = non_idempotent
    transaction = system.authorize("60.00")
    settle_too_late(system, transaction)
    system.mapper.tells = False
    system.mapper.faults = [error_after]
    for _ in range(2):
        with pytest.raises((OutcomeUnknown, Unresolved)):
            system.cancel(transaction, "10.00", "c2")
    decide(system, transaction, happened=True)
    assert system.index.parked() == [transaction]


def test_a_person_closes_a_late_success_by_hand(non_idempotent: System) -> None:
    system = non_idempotent
    transaction = system.authorize("60.00")
    settle_too_late(system, transaction)
    by_hand.decide(system.parts, system.record(transaction), Decision("ana", True))
    assert system.index.parked() == []


@pytest.mark.parametrize("holds", [Holds.NATIVE, Holds.LEDGER])
def test_the_late_success_of_an_abandoned_opening_leaves_the_renewed_one_alone(
    make_system: MakeSystem, holds: Holds
) -> None:
    """The first attempt stalls, the sweeper abandons the order, VTEX comes back; then the first attempt succeeds."""
    system = make_system(holds)

    def overtaken() -> None:
        system.mapper.on_look = None
        transaction = system.only_record().id
        system.lose_lease(transaction)
        assert system.sweep() == {"abandoned": 1}
        system.authorize("40.00")

    def holds_late(step: Step, run: Run) -> Receipt:
        overtaken()
        return run()

    if holds is Holds.NATIVE:
        system.mapper.faults = [holds_late]
    else:
        system.mapper.on_look = overtaken
    transaction = system.authorize("40.00")
    system.sweeper.sweep_once()
    record = system.record(transaction)
    assert (record.state, record.opened_by, record.rest, len(record.acts)) == (State.AUTHORIZED, 1, 4_000, 2)
    assert system.standing.reserved == (4_000 if holds is Holds.LEDGER else 0)
    # The backend's second hold is nobody's: a person must see to it. The ledger reserved nothing for it.
    assert system.index.parked() == ([transaction] if holds is Holds.NATIVE else [])


def test_a_process_killed_before_it_undoes_an_abandoned_opening_leaves_that_to_the_next_request(
    make_system: MakeSystem,
) -> None:
    system = make_system(Holds.NATIVE)

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(system.only_record().id)
        assert system.sweep() == {"abandoned": 1}
        system.mapper.faults = [dies]
        return run()

    system.mapper.faults = [overtaken]
    with pytest.raises(Killed):
        system.authorize("40.00")
    system.lose_lease(system.only_record().id)
    record = system.record(system.authorize("40.00"))
    assert (record.state, record.opened_by, record.unresolved) == (State.AUTHORIZED, 2, None)
    assert system.backend.held == 4_000


def test_a_late_success_stays_shown_when_anybody_looks_for_work(non_idempotent: System) -> None:
    """Whoever found something unresolved may come when it is resolved."""
    system = non_idempotent
    transaction = system.authorize("60.00")
    settle_too_late(system, transaction)
    record = system.record(transaction)
    result = system.storage.take_lease(record, Caller.vtex(), one_step_at_a_time=True)
    assert result.answer is LeaseAnswer.NOTHING
    assert system.index.parked() == [transaction]


def captured(system: System, record: Transaction, lease: Lease, amount: int) -> RecordAnswer:
    """Let an attempt write that its settlement happened."""
    steps = [PlannedStep(Verb.CAPTURE, amount, f"{record.id}-1", receipt=Receipt("R1"))]
    return system.storage.finish(
        record, record.acts[1], lease, steps, wanted=True, remainder_ttl=timedelta(days=30), read_lag=timedelta()
    ).answer


def test_a_late_success_does_not_hasten_what_waits_to_be_tried_again(system: System) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.settle(transaction, "10.00", "first")
    (first, lease), (second, later_lease) = leased(system, transaction), leased(system, transaction)
    system.storage.refuse(second, second.acts[1], later_lease, (), CardUnusable("used up"))
    system.mapper.faults = [lost_before]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.settle(transaction, "20.00", "second")
    client = system.connection._client
    waits_until = stored(client, transaction)["retry_at"]
    assert captured(system, first, lease, 1_000) is RecordAnswer.LATE
    assert stored(client, transaction)["retry_at"] == waits_until


def test_what_another_attempt_has_done_is_not_refused_any_more(system: System) -> None:
    """The attempt that has the lease is refused what the one before it turns out to have done meanwhile."""
    transaction = system.authorize("40.00")
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.settle(transaction, "40.00")
    (first, lease), (second, later_lease) = leased(system, transaction), leased(system, transaction)
    done = captured(system, first, lease, 4_000)
    refused = system.storage.refuse(second, second.acts[1], later_lease, (), CardUnusable("used up"))
    assert (done, refused.answer) == (RecordAnswer.OK, RecordAnswer.STALE)
    assert (refused.transaction.captured, refused.transaction.state) == (4_000, State.CLOSED)


def test_a_step_that_turns_out_to_be_done_after_its_act_was_parked_is_kept(system: System) -> None:
    """The person who decides is asked about the next step then."""
    transaction = half_settled(system)

    def overtaken(step: Step, run: Run) -> Receipt:
        park_meanwhile(system, transaction)
        return run()

    system.mapper.faults = [overtaken]
    with pytest.raises(Unresolved):
        change_within(system, 0.5, transaction, "35.00", "cancel", "cancel-1")
    act = system.record(transaction).acts[2]
    assert (act.state, act.open_step) == (ActState.PARKED, 2)
