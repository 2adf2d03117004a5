"""Backends whose reads lag behind their answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.ledger.errors import LedgerError
from app.ledger.service import AuthorizationRequest
from app.ledger.transaction import Operation
from mappers.base import (
    BackendUnavailable,
    Card,
    Holds,
    InsufficientFunds,
    MapperError,
    OutcomeUnknown,
)
from mappers.deadline import Deadline
from tests.ledger.faults import (
    error_after,
)
from tests.ledger.moved_clock import MovedClock
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System


def test_a_missing_trace_proves_nothing_while_reads_may_lag(
    non_idempotent: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = non_idempotent
    system.mapper.read_lag_seconds = 60  # type: ignore[misc]
    transaction = system.authorize("40.00")
    system.mapper.faults = [error_after]
    with monkeypatch.context() as lagging:
        lagging.setattr(system.mapper, "ask", lambda step, deadline: None)
        for _ in range(2):
            with pytest.raises(OutcomeUnknown):
                system.settle(transaction, "40.00")
    system.settle(transaction, "40.00")
    assert system.backend.effects.total() == 1


def test_an_authorization_is_not_reserved_against_a_balance_that_lacks_a_settlement(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER)
    system.mapper.read_lag_seconds = 2.0  # type: ignore[misc]
    before = system.backend.spendable
    system.settle(system.authorize("100.00"), "100.00")
    get_card = system.mapper.get_card

    def lagging(card_id: str, deadline: Deadline) -> Card:
        return replace(get_card(card_id, deadline), balance=before)

    system.mapper.get_card = lagging  # type: ignore[method-assign]
    with pytest.raises((MapperError, LedgerError)):
        system.ledger.authorize(system.provider, system.authorization_request("50.00", "order-2"), system.deadline(0.5))


@pytest.fixture
def clock(empty_redis_url: str) -> MovedClock:
    connection = MovedClock(empty_redis_url)
    connection.stand_still()
    return connection


@pytest.fixture
def lagging(make_system: MakeSystem, clock: MovedClock) -> System:
    """A card of which the ledger holds money, at a backend that may show balances of two seconds ago."""
    system = make_system(Holds.LEDGER, connection=clock)
    system.mapper.read_lag_seconds = 2.0  # type: ignore[misc]
    return system


def spendable(system: System) -> int:
    return system.cards.get(system.provider, CARD, system.deadline()).balance


def can_be_authorized(system: System, amount: int, request_id: str, seconds: float = 0.2) -> bool:
    request = AuthorizationRequest(CARD, Operation.DEBIT, amount, request_id)
    try:
        system.ledger.authorize(system.provider, request, system.deadline(seconds))
    except BackendUnavailable:
        return False
    return True


@pytest.mark.parametrize("pause", [timedelta(seconds=1), timedelta(seconds=0.5), timedelta(seconds=1.9)], ids=str)
def test_what_lags_does_not_add_up_while_settlements_go_on(
    lagging: System, clock: MovedClock, pause: timedelta
) -> None:
    """What was taken in the last two seconds counts, and nothing that was taken twice as long ago."""
    transaction = lagging.authorize("50.00")
    taken = []
    for number in range(12):
        lagging.settle(transaction, "1.00", f"settle-{number}")
        taken.append(clock.now_milliseconds())
        counted = lagging.standing.lagging
        since = [clock.now_milliseconds() - moment for moment in taken]
        assert 100 * sum(age < 2_000 for age in since) <= counted <= 100 * sum(age < 4_000 for age in since)
        clock.go_on(pause)


@pytest.mark.parametrize(("pause", "count", "most"), [(1, 8, 400), (0.5, 7, 700)])
def test_what_a_search_shows_can_be_authorized_at_once_but_for_the_last_settlements(
    lagging: System, clock: MovedClock, pause: float, count: int, most: int
) -> None:
    transaction = lagging.authorize("50.00")
    for number in range(count):
        clock.go_on(timedelta(seconds=pause))
        lagging.settle(transaction, "1.00", f"settle-{number}")
    counted = lagging.standing.lagging
    assert 0 < counted <= most
    assert not can_be_authorized(lagging, spendable(lagging) - counted + 1, "order-2")
    assert can_be_authorized(lagging, spendable(lagging) - counted, "order-3")


def test_all_that_a_search_shows_can_be_authorized_once_the_lag_is_over(lagging: System, clock: MovedClock) -> None:
    """In the same request: it reads the balance again until then."""
    lagging.settle(lagging.authorize("50.00"), "10.00")
    shown = spendable(lagging)
    assert shown == 5_000
    lagging.mapper.on_look = lambda: clock.go_on(timedelta(seconds=0.7))
    assert can_be_authorized(lagging, shown, "order-2", seconds=5)


def test_a_credit_is_not_taken_back_by_a_balance_that_lacks_a_settlement(lagging: System, clock: MovedClock) -> None:
    credit = lagging.authorize("20.00", "order-1", "Credit")
    lagging.settle(lagging.authorize("110.00", "order-2"), "60.00")
    get_card = lagging.mapper.get_card

    def old(card_id: str, deadline: Deadline) -> Card:
        return replace(get_card(card_id, deadline), balance=12_000)

    lagging.mapper.get_card = old  # type: ignore[method-assign]
    with pytest.raises(BackendUnavailable):
        lagging.cancel(credit, "20.00")
    lagging.mapper.get_card = get_card  # type: ignore[method-assign]
    clock.go_on(timedelta(seconds=2))
    with pytest.raises(InsufficientFunds):
        lagging.cancel(credit, "20.00")
    assert lagging.backend.spendable == 6_000
