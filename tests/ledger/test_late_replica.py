"""A backend may look things up in a late replica before it writes, and refuse what needs something done just now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from unittest.mock import Mock

import pytest

from app.ledger.errors import Unresolved
from app.ledger.service import AuthorizationRequest
from app.ledger.transaction import ActState, Operation
from mappers.base import (
    BackendUnavailable,
    Card,
    CardNotFound,
    CardUnusable,
    Holds,
    InsufficientFunds,
    IssuedCard,
    NewCard,
    Receipt,
    ReferenceNotFound,
    Refused,
    Step,
    Verb,
)
from mappers.deadline import Deadline
from tests.ledger.driver import authorize_within, change_within, runs
from tests.ledger.faults import Fault, Run, undisturbed
from tests.ledger.moved_clock import MovedClock
from tests.ledger.reference_model import CARD
from tests.ledger.sandbox_system import lightrail_v2_system
from tests.ledger.system import MakeSystem, System

LAG = timedelta(seconds=2)


@pytest.fixture
def clock(empty_redis_url: str) -> MovedClock:
    connection = MovedClock(empty_redis_url)
    connection.stand_still()
    return connection


@pytest.fixture
def system(make_system: MakeSystem, clock: MovedClock) -> System:
    system = make_system(Holds.NATIVE, connection=clock)
    system.mapper.read_lag_seconds = LAG.total_seconds()  # type: ignore[misc]
    return system


def misses(error: type[Refused]) -> Fault:
    """The replica lacks what the step needs."""

    def refuse(step: Step, run: Run) -> Receipt:
        raise error("not there")

    return refuse


def late(system: System, error: type[Refused], times: int = 3) -> None:
    """Let the replica be late for the next steps."""
    system.backend.calls.clear()
    system.mapper.faults = [misses(error)] * times


@pytest.mark.parametrize("change", ["settle", "cancel"])
def test_a_hold_made_just_now_is_looked_for_again_in_the_same_request(system: System, change: str) -> None:
    transaction = system.authorize("40.00")
    late(system, ReferenceNotFound)
    change_within(system, 5, transaction, "40.00", change, "change-1")
    assert system.backend.effects.total() == 2
    assert len(runs(system)) == 4


def test_without_time_the_change_is_left_and_the_sweeper_finishes_it(system: System, clock: MovedClock) -> None:
    transaction = system.authorize("40.00")
    late(system, ReferenceNotFound)
    with pytest.raises(BackendUnavailable):
        change_within(system, 0.05, transaction, "40.00", "cancel", "cancel-1")
    assert system.record(transaction).acts[-1].state is ActState.PENDING
    system.mapper.faults.clear()
    clock.go_on(timedelta(minutes=1))
    system.sweep()
    assert system.record(transaction).acts[-1].state is ActState.DONE
    assert system.backend.spendable == 10_000


def test_a_hold_that_is_still_missing_after_the_lag_is_missing(system: System) -> None:
    transaction = system.authorize("40.00")
    late(system, ReferenceNotFound, times=99)
    with pytest.raises(CardUnusable, match="not there"):
        system.settle(transaction, "40.00")
    assert system.record(transaction).acts[-1].state is ActState.REFUSED
    assert 3 < len(runs(system)) < 10


def add_value(system: System) -> None:
    system.authorize("20.00", "gift", "Credit")


def give_a_hold_back(system: System) -> None:
    system.cancel(system.authorize("20.00", "gift"), "20.00")


@pytest.mark.parametrize("give", [add_value, give_a_hold_back])
def test_what_was_given_just_now_is_looked_for_again(
    system: System, clock: MovedClock, give: Callable[[System], None]
) -> None:
    give(system)
    clock.go_on(LAG / 2)
    late(system, InsufficientFunds)
    authorize_within(system, 5, "40.00", "order-2")
    assert runs(system) == [Verb.HOLD] * 4


@pytest.mark.parametrize("reserved", [False, True], ids=["reserved in the ledger", "taken beside what is reserved"])
def test_a_balance_that_lacks_what_was_given_just_now_is_read_again(
    make_system: MakeSystem, clock: MovedClock, monkeypatch: pytest.MonkeyPatch, *, reserved: bool
) -> None:
    system = make_system(Holds.LEDGER, connection=clock)
    monkeypatch.setattr(system.mapper, "read_lag_seconds", LAG.total_seconds())
    transaction = system.authorize("90.00")
    system.settle(transaction, "90.00")
    clock.go_on(LAG)
    if reserved:
        system.authorize("10.00", "reserved")
        system = system.changed(policy=replace(system.provider.policy, holds=Holds.UPFRONT))
    system.cancel(transaction, "90.00")
    clock.go_on(LAG / 2)
    stale = [system.backend.balances[CARD] - 9_000] * 3
    read = system.mapper.get_card

    def read_late(card_id: str, deadline: Deadline) -> Card:
        card = read(card_id, deadline)
        return replace(card, balance=stale.pop()) if stale else card

    monkeypatch.setattr(system.mapper, "get_card", read_late)
    authorize_within(system, 5, "40.00", "order-2")
    assert not stale


@pytest.mark.parametrize("given", [False, True])
def test_a_balance_that_lacks_something_else_is_believed(
    make_system: MakeSystem, clock: MovedClock, monkeypatch: pytest.MonkeyPatch, *, given: bool
) -> None:
    system = make_system(Holds.LEDGER, connection=clock)
    monkeypatch.setattr(system.mapper, "read_lag_seconds", LAG.total_seconds())
    if given:
        system.authorize("20.00", "gift", "Credit")
        clock.go_on(LAG)
    pauses: list[float] = []
    monkeypatch.setattr(system.parts.executor, "_sleep", pauses.append)
    with pytest.raises(InsufficientFunds):
        system.authorize("120.01")
    assert not pauses


@pytest.mark.parametrize("looks", [False, True], ids=["", "after a look"])
@pytest.mark.parametrize("error", [InsufficientFunds, CardNotFound])
def test_a_card_that_was_given_nothing_lately_is_refused_at_once(
    system: System, clock: MovedClock, error: type[Refused], looks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_a_hold_back(system)
    clock.go_on(LAG)
    system.settle(system.authorize("10.00"), "10.00")  # takes
    if looks:
        look_and_hold = lambda act, facts: [facts.step(Verb.LOOK, 0), facts.step(Verb.HOLD, 4_000)]  # noqa: E731
        monkeypatch.setattr(system.mapper, "plan", look_and_hold)
    late(system, error, times=1)
    with pytest.raises(error):
        authorize_within(system, 5, "40.00", "order-2")
    assert runs(system) == [*[Verb.LOOK] * looks, Verb.HOLD]


@pytest.mark.parametrize("age", [timedelta(0), LAG])
def test_a_card_made_just_now_is_looked_for_again(
    system: System, clock: MovedClock, age: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    def issue(new: NewCard, deadline: Deadline) -> IssuedCard:
        return IssuedCard(system.mapper.get_card(CARD, deadline), "CODE-1")

    monkeypatch.setattr(system.mapper, "issue", issue)
    system.cards.issue(system.provider, NewCard("card"), system.deadline())
    clock.go_on(age)
    late(system, CardNotFound)
    if age:
        with pytest.raises(CardNotFound):
            system.authorize("20.00", "gift", "Credit")
    else:
        system.authorize("20.00", "gift", "Credit")
        assert system.backend.spendable == 12_000


def settled_at_a_backend_that_gives_back_whole(system: System, monkeypatch: pytest.MonkeyPatch) -> str:
    """Some backends give a part back by giving back all of it, and taking the rest again."""
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    monkeypatch.setattr(
        system.mapper, "plan", lambda act, facts: [facts.step(Verb.REFUND, 4_000), facts.step(Verb.DEBIT, 3_000)]
    )
    system.backend.calls.clear()
    return transaction


def test_a_step_sees_late_what_the_one_before_it_gave(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    transaction = settled_at_a_backend_that_gives_back_whole(system, monkeypatch)
    system.mapper.faults = [lambda step, run: run(), *[misses(InsufficientFunds)] * 3]
    system.cancel(transaction, "10.00")
    assert system.backend.spendable == 7_000


def test_lightrail_with_a_late_replica_takes_what_follows_at_once(make_system: MakeSystem) -> None:
    """Value onto a card just issued, a payment with it, and the cancellation of that, each right after the other."""
    with lightrail_v2_system(make_system()) as v2:
        system, mapper = v2.system, v2.mapper
        v2.backend.read_lag_seconds = 1.5
        # The ledger waits by the sandbox's clock.
        system.parts.executor._sleep = lambda seconds: v2.backend.advance(timedelta(seconds=seconds))
        v2.card = system.cards.issue(v2.provider, NewCard("new"), system.deadline()).card
        gift = AuthorizationRequest(v2.card.id, Operation.CREDIT, 4_000, "gift")
        system.ledger.authorize(v2.provider, gift, system.deadline(10))
        for order in ("order-1", "order-2"):
            transaction = v2.authorize("40.00", order)
            v2.settle(transaction, "10.00", "settle")
            v2.cancel(transaction, "40.00", "cancel")
        assert v2.backend.values[mapper.get_card(v2.card.id, system.deadline()).id]["balance"] == 4_000


@pytest.mark.parametrize(("age", "error"), [(timedelta(0), BackendUnavailable), (LAG, CardNotFound)])
def test_a_card_made_just_now_that_does_not_show_is_not_unknown(
    system: System, clock: MovedClock, age: timedelta, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    new = Card("new", 0, "BRL")
    monkeypatch.setattr(system.mapper, "issue", lambda wanted, deadline: IssuedCard(new, "CODE-2"))
    system.cards.issue(system.provider, NewCard("card"), system.deadline())
    clock.go_on(age)
    with pytest.raises(error):
        system.cards.get(system.provider, new.id, system.deadline())


def test_how_new_a_card_is_counts_from_when_it_was_first_missed(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system.storage, "new_for", Mock(side_effect=[2_000, 0, 0]))
    late(system, CardNotFound)
    system.authorize("20.00", "gift", "Credit")
    assert system.backend.spendable == 12_000


def test_a_backend_whose_reads_are_never_late_is_told_once(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    system.mapper.read_lag_seconds = 0.0  # type: ignore[misc]
    transaction = settled_at_a_backend_that_gives_back_whole(system, monkeypatch)
    system.mapper.faults = [undisturbed, misses(InsufficientFunds)]
    with pytest.raises(Unresolved):
        system.cancel(transaction, "10.00")
    assert runs(system) == [Verb.REFUND, Verb.DEBIT]
