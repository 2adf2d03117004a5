"""What the fault matrix, the races and the mutations found, each as the shortest story that tells it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from app.ledger.errors import LedgerUnavailable, Unresolved
from app.ledger.transaction import ActState, Decision, State
from mappers.base import CardUnusable, Holds, InsufficientFunds, OutcomeUnknown, Receipt, Step
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import CARD, Killed, dies, lost_before

Run = Callable[[], Receipt]


@pytest.fixture
def once_only(make_house: MakeHouse) -> House:
    """A backend that would redeem twice when told twice, reserved in the ledger."""
    return make_house(Holds.LEDGER, repeatable=False, one_step_at_a_time=True)


def test_a_decision_that_finds_the_card_busy_leaves_the_act_parked(once_only: House) -> None:
    """Else the sweeper, for which only a parked act is one that a person must repeat, would repeat it."""
    house = once_only
    waiting = house.authorize("40.00", "order-1")
    house.mapper.faults = [lost_before]
    house.mapper.tells = False
    with pytest.raises(OutcomeUnknown):
        house.settle(waiting, "40.00")
    house.lose_lease(waiting)
    with pytest.raises(Unresolved):
        house.settle(waiting, "40.00")
    house.mapper.tells = True
    other = house.authorize("10.00", "order-2")

    def decided_meanwhile(step: Step, run: Run) -> Receipt:
        with pytest.raises(Unresolved):
            house.parts.executor.decide(
                house.provider, house.record(waiting), house.deadline(0.2), Decision("ana", True, "r-1")
            )
        return run()

    house.mapper.faults = [decided_meanwhile]
    house.settle(other, "10.00")
    assert house.record(waiting).acts[1].state is ActState.PARKED
    house.sweep()
    assert house.backend.spendable == 9_000


def test_another_payment_does_not_start_the_authorization_that_keeps_the_card_busy(make_house: MakeHouse) -> None:
    """Its process was killed before it sent anything; nobody comes back for it, so it would hold the money for days."""
    house = make_house(Holds.UPFRONT, repeatable=False, one_step_at_a_time=True)
    house.mapper.faults = [dies]
    with pytest.raises(Killed):
        house.authorize("40.00", "order-1")
    abandoned = house.only_record().id
    house.lose_lease(abandoned)
    house.authorize("100.00", "order-2")
    assert house.record(abandoned).state is State.ABANDONED
    assert house.backend.spendable == 0


def test_a_refused_settlement_that_is_tried_again_looks_at_the_card_again(once_only: House) -> None:
    """What was looked at before the refusal is old: the card may hold enough by now, or have been used elsewhere."""
    house = once_only
    seen: list[int | None] = []

    def as_looked_at(step: Step, run: Run) -> Receipt:
        seen.append(step.earlier[-1].balance)
        return run()

    house.look_before_capturing()
    house.mapper.faults = [as_looked_at, as_looked_at]
    transaction = house.authorize("40.00")
    house.backend.balances[CARD] = 1_000
    with pytest.raises(InsufficientFunds):
        house.settle(transaction, "40.00")
    house.backend.balances[CARD] = 4_000
    house.settle(transaction, "40.00")
    assert seen == [1_000, 4_000]


def test_what_is_sent_again_is_looked_at_again(once_only: House) -> None:
    """The backend was down for hours: what the card held before says nothing about what the second call does to it."""
    house = once_only
    seen: list[int | None] = []

    def as_looked_at(step: Step, run: Run) -> Receipt:
        seen.append(step.earlier[-1].balance)
        on_disk = house.record(transaction).acts[1].steps[0].receipt
        assert on_disk
        seen.append(on_disk.balance)
        return run()

    house.look_before_capturing()
    house.mapper.faults = [lost_before, as_looked_at]
    transaction = house.authorize("40.00")
    with pytest.raises(OutcomeUnknown):
        house.settle(transaction, "40.00")
    house.lose_lease(transaction)
    house.backend.balances[CARD] = 7_000
    house.settle(transaction, "40.00")
    assert seen == [7_000, 7_000]


def sleep_while_another_is_refused(house: House, transaction: str) -> None:
    """A process sleeps past its lease, sends its settlement after another one was refused, and dies."""

    def late(step: Step, run: Run) -> Receipt:
        house.lose_lease(transaction)
        house.backend.frozen = True
        with pytest.raises(CardUnusable):
            house.settle(transaction, "40.00")
        house.backend.frozen = False
        run()
        raise Killed

    house.mapper.faults = [late]
    with pytest.raises(Killed):
        house.settle(transaction, "40.00")


def test_a_refused_settlement_that_is_tried_again_is_asked_for_first(once_only: House) -> None:
    """A process that slept past its lease may have sent it after another one was refused, and have died."""
    house = once_only
    transaction = house.authorize("40.00")

    sleep_while_another_is_refused(house, transaction)
    house.settle(transaction, "40.00")
    assert house.backend.effects.total() == 1
    assert house.settlements(transaction) == [Decimal(40)]


def test_a_refused_settlement_that_is_looked_at_again_is_asked_for_first(once_only: House) -> None:
    house = once_only
    house.look_before_capturing()
    transaction = house.authorize("40.00")

    sleep_while_another_is_refused(house, transaction)
    house.settle(transaction, "40.00")
    assert house.backend.spendable == 6_000


def test_a_refused_settlement_that_nobody_else_tried_is_sent_again_without_asking(once_only: House) -> None:
    """Where no id is echoed the answer would be a guess, and a person would have to decide."""
    house = once_only
    transaction = house.authorize("40.00")
    house.backend.frozen = True
    with pytest.raises(CardUnusable):
        house.settle(transaction, "40.00")
    house.backend.frozen = False
    house.mapper.tells = False
    house.settle(transaction, "40.00")
    assert house.settlements(transaction) == [Decimal(40)]


def test_one_transaction_that_breaks_the_code_keeps_the_sweeper_from_no_other(make_house: MakeHouse) -> None:
    house = make_house(Holds.NATIVE)
    transactions = sorted(house.authorize("10.00", f"order-{number}") for number in range(2))
    for transaction in transactions:
        house.mapper.faults = [dies]
        with pytest.raises(Killed):
            house.settle(transaction, "10.00")
        house.lose_lease(transaction)

    def breaks(step: Step, run: Run) -> Receipt:
        raise RuntimeError("nobody thought of this")

    house.mapper.faults = [breaks]
    house.sweep()
    assert sorted(act.state for name in transactions for act in house.record(name).acts[1:]) == [
        ActState.DONE,
        ActState.PENDING,
    ]


def test_a_redis_that_lost_the_transaction_meanwhile_is_an_error_that_asks_for_a_repeat(make_house: MakeHouse) -> None:
    house = make_house(Holds.NATIVE)

    def forgotten(step: Step, run: Run) -> Receipt:
        house.connection.call(lambda client: client.flushall())
        return run()

    house.mapper.faults = [forgotten]
    with pytest.raises(LedgerUnavailable):
        house.authorize("40.00")
    house.authorize("40.00")
    assert house.backend.held == 4_000


def test_a_settlement_that_succeeds_late_closes_what_it_settles(make_house: MakeHouse) -> None:
    """Else a cancellation of nothing is made when the authorization's time is over, and shown to VTEX."""
    house = make_house(Holds.NATIVE)
    transaction = house.authorize("40.00")

    def overtaken(step: Step, run: Run) -> Receipt:
        house.lose_lease(transaction)
        house.backend.frozen = True
        with pytest.raises(CardUnusable):
            house.settle(transaction, "40.00")
        house.backend.frozen = False
        return run()

    house.mapper.faults = [overtaken]
    house.settle(transaction, "40.00")
    assert house.settlements(transaction) == [Decimal(40)]
    house.sweep()
    assert house.cancellations(transaction) == []
    assert house.record(transaction).state is State.CLOSED
