"""The cells in which a backend cannot tell what it did: the transaction is left for a person, and never guessed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.faults.expected import AUTHORIZED, PART
from tests.faults.harness import CellResult, Harness
from tests.faults.matrix import Backend, Cell, Fault, Operation, Point, Recovery

# Each has a redemption as its second step, the only thing that Vauchar may fail to tell apart. What is kept of one is
# redeemed before that one is deleted.
REDEMPTIONS = [
    (Operation.SETTLE, Backend.LEDGER, AUTHORIZED, AUTHORIZED),
    (Operation.AUTHORIZE, Backend.UPFRONT, AUTHORIZED, AUTHORIZED),
    (Operation.CANCEL_PART, Backend.UPFRONT, AUTHORIZED - PART, 2 * AUTHORIZED - PART),
    (Operation.REFUND_PART, Backend.LEDGER, AUTHORIZED - PART, 2 * AUTHORIZED - PART),
]
LOST_ANSWERS = [
    (Point.AFTER_COMMIT, Fault.SIGKILL),
    (Point.AFTER_COMMIT, Fault.TIMEOUT),
    (Point.AFTER_COMMIT, Fault.RESET),
    (Point.AFTER_COMMIT, Fault.JUNK),
    (Point.BEFORE_RESULT, Fault.SIGKILL),
    (Point.BEFORE_RESULT, Fault.REDIS_KILLED),
]


@pytest.fixture
def vauchar(harness: Harness) -> Iterator[Any]:
    """An account that does not keep the transaction_id it is sent."""
    model = harness.sandboxes[Backend.LEDGER].model
    model.echo_transaction_id = False
    yield model
    model.echo_transaction_id = True


@pytest.mark.parametrize(("point", "fault"), LOST_ANSWERS, ids=str)
@pytest.mark.parametrize(("operation", "backend", "amount", "redeemed"), REDEMPTIONS)
def test_two_redemptions_that_look_alike_are_told_apart_by_a_person(
    harness: Harness, vauchar: Any, operation: Operation, backend: Backend, amount: Decimal, redeemed: Decimal,
    point: Point, fault: Fault,
) -> None:  # fmt: skip
    """The account keeps no ids, and a shop redeems the same amount before anybody has looked."""
    recovery = Recovery.RETRY if operation.opens else Recovery.READ
    cell = Cell(operation, backend, point, 2, fault, recovery)
    result = harness.run_cell(cell, meanwhile=lambda card: vauchar.redeem(card, amount))
    _expect_parked(result)
    assert result.money.redeemed - amount == redeemed


def _expect_parked(result: CellResult) -> None:
    summary = result.summary
    assert (summary.unresolved, summary.parked, summary.busy) == (True, True, False)
    assert summary.answer
    assert "a person must" in str(summary.answer.error)


@pytest.mark.parametrize("amount", [Decimal(7), Decimal(59)])
@pytest.mark.parametrize(
    ("point", "fault"), [*LOST_ANSWERS, (Point.BEFORE_SEND, Fault.SIGKILL), (Point.BEFORE_SEND, Fault.RESET)], ids=str
)
def test_another_amount_redeemed_elsewhere_confuses_nobody(
    harness: Harness, vauchar: Any, point: Point, fault: Fault, amount: Decimal
) -> None:
    cell = Cell(Operation.SETTLE, Backend.LEDGER, point, 2, fault, Recovery.READ)
    result = harness.run_cell(cell, meanwhile=lambda card: vauchar.redeem(card, amount))
    assert (result.summary.unresolved, result.summary.parked) == (False, False)
    assert result.summary.settlements == [AUTHORIZED]
    assert result.money.redeemed == AUTHORIZED + amount
