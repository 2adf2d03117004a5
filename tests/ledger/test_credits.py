"""Authorizations that add money to a card, and take it back."""

from __future__ import annotations

import pytest

from app.ledger.transaction import ActState
from mappers.base import (
    Holds,
    InsufficientFunds,
    OutcomeUnknown,
)
from tests.ledger.faults import (
    lost_after,
)
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem


def test_a_credit_is_not_taken_back_from_reserved_money(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER)
    credit = system.authorize("40.00", "credit-1", "Credit")
    debit = system.authorize("140.00", "order-2")
    with pytest.raises(InsufficientFunds):
        system.cancel(credit, "40.00")
    system.settle(debit, "140.00")


def test_a_balance_read_before_a_credit_was_taken_back_is_read_again(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER)
    credit = system.authorize("40.00", "credit-1", "Credit")

    def take_back() -> None:
        system.mapper.on_look = None
        system.cancel(credit, "40.00")

    system.mapper.on_look = take_back
    with pytest.raises(InsufficientFunds):
        system.authorize("140.00", "order-2")
    assert (system.standing.reserved, system.standing.taking) == (0, 0)


def test_a_settled_credit_leaves_nothing_to_be_captured(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER)
    system.settle(system.authorize("40.00", "credit-1", "Credit"), "40.00")
    with pytest.raises(InsufficientFunds):
        system.authorize("150.00", "order-2")


def test_an_unacknowledged_credit_that_was_spent_is_refused_once(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE)
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00", operation="Credit")
    system.sweep()
    system.backend.balances[CARD] = 0
    for _ in range(3):
        system.sweep()
    assert [act.state for act in system.only_record().acts] == [ActState.DONE, ActState.REFUSED]
