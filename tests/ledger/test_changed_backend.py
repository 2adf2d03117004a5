"""A transaction stays with the backend, the account and the currency that it was opened at."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.ledger import sweeper
from app.ledger.errors import OtherBackend
from app.ledger.transaction import State
from mappers.base import Holds, OutcomeUnknown
from mappers.money import Currency
from providers.unloadable import Unloadable
from tests.ledger.faults import lost_before
from tests.ledger.system import System

CHANGES = [
    pytest.param({"mapper_name": "another"}, id="another mapper"),
    pytest.param({"account": "another"}, id="another account"),
    pytest.param({"currency": Currency("USD", 2)}, id="another currency"),
    pytest.param({"currency": Currency("BRL", 0)}, id="other digits"),
]

CALLS: list[Callable[[System, str], object]] = [
    lambda system, _: system.authorize("40.00"),
    lambda system, transaction: system.settle(transaction, "40.00"),
    lambda system, transaction: system.cancel(transaction, "40.00"),
    lambda system, transaction: system.settlements(transaction),
    lambda system, transaction: system.cancellations(transaction),
]
NAMES = ["authorize again", "settle", "cancel", "read the settlements", "read the cancellations"]


@pytest.mark.parametrize("changes", CHANGES)
@pytest.mark.parametrize("call", CALLS, ids=NAMES)
def test_nothing_is_done_at_another_backend(
    system: System, changes: dict[str, object], call: Callable[[System, str], object]
) -> None:
    transaction = system.authorize("40.00")
    before, calls = system.stored(), list(system.backend.calls)
    with pytest.raises(OtherBackend, match=r"put that back into providers\.toml"):
        call(system.changed(**changes), transaction)
    assert (system.stored(), system.backend.calls) == (before, calls)


@pytest.mark.parametrize("changes", CHANGES)
def test_the_sweeper_leaves_it_alone(system: System, changes: dict[str, object]) -> None:
    transaction = system.authorize("40.00")
    calls = list(system.backend.calls)
    assert system.changed(**changes).sweep() == {"left for later": 1}
    assert (system.record(transaction).rest, system.backend.calls) == (4_000, calls)


def test_what_is_left_at_another_backend_keeps_nothing_else_from_ending(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is due in each pass, before all that came later, and a pass ends only so many."""
    monkeypatch.setattr(sweeper, "ENDINGS_PER_PASS", 1)
    left = system.authorize("10.00", "order-1")
    changed = system.changed(account="another")
    later = changed.authorize("10.00", "order-2")
    assert changed.sweep() == {"left for later": 1, "expired": 1}
    assert (system.record(left).rest, system.record(later).state) == (1_000, State.EXPIRED)


def test_it_goes_on_once_the_file_is_put_right(system: System) -> None:
    transaction = system.authorize("40.00")
    system.changed(account="another")
    assert system.changed(account=system.provider.account).settle(transaction, "40.00")


def test_caption_policy_and_credentials_may_change(system: System) -> None:
    transaction = system.authorize("40.00")
    assert system.changed(caption="New", credentials=()).settle(transaction, "40.00")


@pytest.mark.parametrize("changes", CHANGES)
def test_an_act_is_not_finished_at_another_backend(system: System, changes: dict[str, object]) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [lost_before]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.settle(transaction, "40.00")
    system.lose_lease(transaction)
    calls = list(system.backend.calls)
    assert system.changed(**changes).sweep() == {"left for later": 1}
    assert system.backend.calls == calls


def test_while_the_mapper_is_broken_what_is_certain_can_still_be_read(system: System) -> None:
    """A broken mapper cannot say which account it would speak to."""
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    broken = Unloadable.because("it cannot be loaded")("acme", system.provider.currency, Holds.NATIVE, None)
    changed = system.changed(mapper=broken, mapper_name="broken", account=None)
    assert changed.settlements(transaction) == [40]
