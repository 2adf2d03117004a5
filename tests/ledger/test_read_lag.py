"""Backends whose reads lag behind their answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.ledger.errors import LedgerError
from mappers.base import (
    BackendUnavailable,
    Card,
    Holds,
    MapperError,
    OutcomeUnknown,
)
from mappers.deadline import Deadline
from tests.ledger.driver import (
    authorize_within,
)
from tests.ledger.faults import (
    error_after,
)
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


def test_what_was_taken_longer_ago_than_the_read_lag_is_in_the_balance(make_system: MakeSystem) -> None:
    """Else every settlement on a busy card would count as not shown yet, until nobody settles for a while."""
    system = make_system(Holds.LEDGER)
    system.mapper.read_lag_seconds = 0.001  # type: ignore[misc]
    system.settle(system.authorize("30.00", "order-1"), "30.00")
    shown = system.connection.now_milliseconds() + 1
    while system.connection.now_milliseconds() <= shown:
        pass
    system.mapper.read_lag_seconds = 60  # type: ignore[misc]
    system.settle(system.authorize("10.00", "order-2"), "10.00")
    authorize_within(system, 0.5, "50.00", "order-3")
    with pytest.raises(BackendUnavailable, match="kept changing"):
        authorize_within(system, 0.2, "10.00", "order-4")
