"""The ledger's own acts have names of their own: no requestId of VTEX can equal one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.ledger.transaction import Reason, State
from tests.ledger.system import System


@pytest.mark.parametrize("reason", Reason)
def test_a_cancellation_named_like_an_own_act_survives_the_loss_of_the_ledger(system: System, reason: Reason) -> None:
    transaction = system.authorize("40.00")
    system.cancel(transaction, "40.00", f"{reason}-1")
    system.connection.call(lambda client: client.flushall())
    assert system.cancellations(transaction) == [Decimal("40.00")]
    assert system.record(transaction).state is State.CLOSED


@pytest.mark.parametrize("reason", Reason)
def test_a_cancellation_named_like_an_own_act_does_not_keep_the_rest_reserved(system: System, reason: Reason) -> None:
    transaction = system.authorize("40.00")
    system.cancel(transaction, "5.00", f"{reason}-2")
    assert system.sweep() == {"expired": 1}
    assert system.backend.spendable == 10_000


def test_an_own_act_keeps_its_reason_through_the_loss_of_the_ledger(system: System) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "10.00")
    system.sweep()
    system.connection.call(lambda client: client.flushall())
    assert system.cancellations(transaction) == [Decimal("30.00")]
    assert [act.reason for act in system.record(transaction).acts] == [Reason.REQUEST, Reason.REQUEST, Reason.REMAINDER]
