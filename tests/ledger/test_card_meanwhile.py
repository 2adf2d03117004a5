"""What the ledger keeps of a card, and lets its lock have, while acts on it run and after them."""

from __future__ import annotations

from contextlib import nullcontext
from unittest.mock import Mock

import pytest

from app.ledger.caller import Caller
from mappers.base import Holds, InsufficientFunds
from tests.ledger.faults import Killed
from tests.ledger.system import MakeSystem, System


@pytest.mark.parametrize(
    ("holds", "settled", "aside"), [(Holds.LEDGER, False, 0), (Holds.LEDGER, True, 0), (Holds.UPFRONT, False, 3_000)]
)
def test_so_much_is_set_aside_while_a_part_is_canceled(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch, holds: Holds, *, settled: bool, aside: int
) -> None:
    """What stays taken, where money goes back; nothing, where what is only held here is let go."""
    system = make_system(holds)
    transaction = system.authorize("40.00")
    if settled:
        system.settle(transaction, "10.00")
    reserved = system.standing.reserved
    monkeypatch.setattr(system.storage, "finish", Mock(side_effect=Killed))
    with pytest.raises(Killed):
        system.cancel(transaction, "10.00")
    assert system.standing.reserved == reserved + aside


def test_a_balance_that_was_read_before_a_refund_was_done_is_read_again(make_system: MakeSystem) -> None:
    """Meanwhile more may have been there than is there in the end."""
    system = make_system(Holds.LEDGER)
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    before = system.standing.epoch
    system.cancel(transaction, "10.00")
    assert system.standing.epoch > before


def test_what_goes_back_is_not_missing_from_the_balance(make_system: MakeSystem) -> None:
    system = make_system(Holds.UPFRONT)
    system.mapper.read_lag_seconds = 20.0  # type: ignore[misc]
    transaction = system.authorize("40.00")
    system.cancel(transaction, "10.00")
    assert system.standing.lagging == 4_000


def test_a_card_that_cannot_pay_is_locked_once(make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is reserved still: a card that was asked about may have been let go for that."""
    system = make_system(Holds.LEDGER)
    lock = Mock()
    monkeypatch.setattr(system.mapper, "lock", lock)
    with pytest.raises(InsufficientFunds):
        system.authorize("100.01")
    assert lock.call_count == 1


def test_what_is_taken_back_is_no_value_that_may_show_late(system: System) -> None:
    system.mapper.read_lag_seconds = 20.0  # type: ignore[misc]
    transaction = system.authorize("40.00", operation="Credit")
    system.mapper.read_lag_seconds = 60.0  # type: ignore[misc]
    system.cancel(transaction, "40.00")
    result = system.storage.take_lease(system.record(transaction), Caller.vtex(), one_step_at_a_time=False)
    assert 0 < result.standing.unseen_for <= 20_000


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize(
    ("holds", "operation", "change"),
    [
        (Holds.NATIVE, "Debit", "settle"),
        (Holds.NATIVE, "Debit", "cancel"),
        (Holds.NATIVE, "Credit", "cancel"),
        (Holds.UPFRONT, "Debit", "settle"),
        (Holds.UPFRONT, "Credit", "settle"),
    ],
)
def test_nothing_is_set_aside_for_what_the_backend_keeps_itself_or_has_given_already(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch, holds: Holds, operation: str, change: str, *, done: bool
) -> None:
    system = make_system(holds)
    transaction = system.authorize("40.00", operation=operation)
    with nullcontext() if done else pytest.raises(Killed):
        if not done:
            monkeypatch.setattr(system.storage, "finish", Mock(side_effect=Killed))
        getattr(system, change)(transaction, "10.00")
    assert (system.standing.reserved, system.standing.taking) == (0, 0)


def test_what_a_backend_that_holds_has_taken_back_is_not_missing_here(system: System) -> None:
    system.mapper.read_lag_seconds = 20.0  # type: ignore[misc]
    system.cancel(system.authorize("40.00", operation="Credit"), "40.00")
    assert (system.standing.epoch, system.standing.lagging) == (0, 0)
