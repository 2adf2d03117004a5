"""An old backup has what was abandoned later, or before, and was then made under another name: VTEX knows of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial

import pytest

from app.admin import doubts
from app.ledger.errors import TransactionNotFound
from mappers.base import BackendUnavailable, Holds, OutcomeUnknown, Receipt, Step
from mappers.deadline import Deadline
from tests.ledger.lightrail_system import LightrailSystem, lightrail_system
from tests.ledger.reconciliation_driver import differences
from tests.ledger.sandbox_system import (
    SandboxSystem,
    lightrail_v1_system,
    lightrail_v2_system,
    vauchar_system,
    voucherify_system,
)
from tests.ledger.system import MakeSystem, System
from tests.ledger.test_lost_changes import a_day_later
from tests.ledger.test_lost_ledger import not_reached
from tests.ledger.test_totals import report

AN_HOUR = timedelta(hours=1)


@pytest.fixture(params=["lightrail_v1", "lightrail_v2"])
def system(request: pytest.FixtureRequest, make_system: MakeSystem) -> Iterator[LightrailSystem]:
    with lightrail_system(make_system(Holds.NATIVE), request.param) as system:
        yield system


def given_up(system: SandboxSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin an authorization of which nothing reaches the backend."""
    with monkeypatch.context() as patched:
        patched.setattr(system.mapper, "run", not_reached)
        with pytest.raises(BackendUnavailable):
            system.authorize("40.00")


def abandoned(system: SandboxSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    given_up(system, monkeypatch)
    assert system.system.sweep_after(AN_HOUR) == {"abandoned": 1}


@pytest.fixture(
    params=["while it was open", "before the sweeper looks", "while it was abandoned", "while it was packed"]
)
def made_since(request: pytest.FixtureRequest, system: LightrailSystem, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a transaction that was made and settled in part since the backup, under another name than Redis knows."""
    given_up(system, monkeypatch)
    backup = system.system.stored()
    assert system.system.sweep_after(AN_HOUR) == {"abandoned": 1}
    if request.param == "while it was packed":
        assert system.system.storage.pack(system.system.everything()) == 1
    if "was abandoned" in request.param or "was packed" in request.param:
        backup = system.system.stored()
    transaction = system.authorize("40.00")
    system.settle(transaction, "15.00", "settle-1")
    system.system.fall_back(backup)
    if request.param in ("while it was open", "before the sweeper looks"):
        a_day_later(system.system)
    if request.param == "while it was open":
        assert system.system.sweep_after(AN_HOUR) == {"abandoned": 1}
    return transaction


def made_and_abandoned(
    system: LightrailSystem, monkeypatch: pytest.MonkeyPatch, after: Callable[[], None] = lambda: None
) -> str:
    """Return a transaction that was made, whose answer was lost, and that was given back since nobody came for it."""
    run = system.mapper.run

    def no_answer(step: Step, deadline: Deadline) -> Receipt:
        run(step, deadline)
        raise OutcomeUnknown("no answer")

    def no_way(step: Step, deadline: Deadline) -> Receipt | None:
        raise BackendUnavailable("connection refused")

    with monkeypatch.context() as patched:
        patched.setattr(system.mapper, "run", no_answer)
        patched.setattr(system.mapper, "ask", no_way)
        with pytest.raises(OutcomeUnknown):
            system.authorize("40.00")
    assert system.system.sweep_after(AN_HOUR) == {"resolved": 1}
    after()
    assert system.system.sweep_after(AN_HOUR) == {"abandoned": 1}
    assert system.balance() == 100
    (transaction,) = system.system.everything()
    return transaction


def settle(system: SandboxSystem, transaction: str) -> None:
    system.settle(transaction, "15.00", "settle-1")


def cancel(system: SandboxSystem, transaction: str) -> None:
    system.cancel(transaction, "10.00", "cancel-1")


def read(system: SandboxSystem, transaction: str) -> None:
    system.system.ledger.transaction(system.provider, system.card.id, transaction, System.deadline(10))


def authorize(system: LightrailSystem, transaction: str) -> None:
    assert system.authorize("40.00") == transaction


@pytest.mark.parametrize("asks", [settle, cancel, read, authorize])
def test_whatever_vtex_asks_next_it_is_there(
    system: LightrailSystem, made_since: str, asks: Callable[[LightrailSystem, str], None]
) -> None:
    asks(system, made_since)
    settled, canceled = system.lists(made_since)
    assert settled == [15]
    system.cancel(made_since, str(25 - sum(canceled)), "cancel-2")
    assert system.balance() == 85
    assert len(system.system.everything()) == 1
    assert [row.id for row in system.system.parts.index.newest(10)] == [made_since]
    assert system.system.sweep_after(timedelta(days=400)) == {}


def test_what_was_made_twice_under_other_names_is_not_made_again(
    system: LightrailSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backup is of before the second attempt, which was abandoned, too: the next name is not that of the hold."""
    abandoned(system, monkeypatch)
    backup = system.system.stored()
    abandoned(system, monkeypatch)
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00", "settle-1")
    system.system.fall_back(backup)
    assert system.authorize("40.00") == transaction
    assert system.lists(transaction)[0] == [40]
    assert system.balance() == 60


@pytest.mark.parametrize(
    "make",
    [
        partial(lightrail_v1_system, holds=Holds.UPFRONT),
        partial(lightrail_v2_system, holds=Holds.UPFRONT),
        vauchar_system,
        voucherify_system,
    ],
    ids=["v1", "v2", "vauchar", "voucherify"],
)
def test_money_that_was_taken_under_another_name_is_not_taken_again(
    make: Callable[[System], AbstractContextManager[SandboxSystem]],
    make_system: MakeSystem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The backup is of before the second attempt; the third took the money, and VTEX repeats the request."""
    with make(make_system(Holds.UPFRONT)) as system:
        before = system.spendable
        abandoned(system, monkeypatch)
        backup = system.system.stored()
        abandoned(system, monkeypatch)
        transaction = system.authorize("40.00")
        system.system.fall_back(backup)
        system.system.parts.history.look()
        assert system.authorize("40.00") == transaction
        assert system.spendable == before - 4_000


@pytest.mark.parametrize("made_since", ["while it was open", "while it was abandoned"], indirect=True)
def test_reconcile_tells_of_it_and_repairs_it(system: LightrailSystem, made_since: str) -> None:
    (told, *others) = differences(system.system)
    assert (told.kind, told.transaction, told.ledger, told.repaired) == ("extra", made_since, "abandoned", False)
    assert {other.transaction for other in others} <= {made_since}
    assert any(one.repaired for one in differences(system.system, repair=True))
    assert system.lists(made_since)[0] == [15]
    assert differences(system.system) == []


def test_what_people_had_given_back_before_it_was_made_again_is_there(
    system: LightrailSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was abandoned was not voided by the ledger: the statement shows that under no key."""
    transaction = made_and_abandoned(system, monkeypatch, after=system.people_void)
    backup = system.system.stored()
    assert system.authorize("40.00") == transaction
    system.settle(transaction, "40.00", "settle-1")
    system.system.fall_back(backup)
    assert system.lists(transaction)[0] == [40]
    assert system.balance() == 60


def test_it_keeps_what_no_backend_tells(system: LightrailSystem, made_since: str) -> None:
    """Of the order it is for, of when it was begun, and of which attempt was the latest: another one may be asleep."""
    before = system.system.record(made_since)
    read(system, made_since)
    after = system.system.record(made_since)
    assert (after.memo, after.date) == (before.memo, before.date)
    assert after.attempt >= before.attempt > 0


def test_the_totals_have_once_what_was_made_before_and_since(
    system: LightrailSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = made_and_abandoned(system, monkeypatch)
    backup = system.system.stored()
    assert system.authorize("40.00") == transaction
    system.settle(transaction, "15.00", "settle-1")
    (as_it_was,) = report(system.system, days=0)
    system.system.fall_back(backup)
    read(system, transaction)
    assert report(system.system, days=0) == [as_it_was]


def test_reads_that_lag_behind_bring_nothing_back(system: LightrailSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement does not show yet that it was given back."""
    transaction = made_and_abandoned(system, monkeypatch)
    record, (opened, *_) = system.system.record(transaction), list(system.mapper.statement(10, system.card.id))
    monkeypatch.setattr(system.mapper, "statement", lambda *_: [opened])
    with pytest.raises(TransactionNotFound):
        read(system, transaction)
    assert system.system.record(transaction) == record


@pytest.fixture
def rebuilt(system: LightrailSystem, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a transaction that twice left no trace, then was made and given back: after a loss that seems all."""
    abandoned(system, monkeypatch)
    abandoned(system, monkeypatch)
    transaction = made_and_abandoned(system, monkeypatch)
    system.lose_everything()
    system.system.parts.history.look()
    doubts.trust(system.system.parts)
    assert system.transactions() == []
    return transaction


def test_it_is_made_again_under_a_name_that_the_backend_has_not_spent(system: LightrailSystem, rebuilt: str) -> None:
    assert system.authorize("40.00") == rebuilt
    assert system.balance() == 60


def test_it_is_given_back_again_under_a_name_that_the_backend_has_not_spent(
    system: LightrailSystem, rebuilt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert made_and_abandoned(system, monkeypatch) == rebuilt


@pytest.mark.parametrize("asks", [settle, cancel, read])
def test_what_was_given_back_since_is_not_taken_again_by_whoever_only_names_it(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch, asks: Callable[[SandboxSystem, str], None]
) -> None:
    """The backup has it as interrupted. Only its own request makes it anew."""
    with voucherify_system(make_system(Holds.UPFRONT)) as system:
        before = system.spendable
        given_up(system, monkeypatch)
        backup = system.system.stored()
        transaction = system.authorize("40.00")
        system.cancel(transaction, "40.00", "cancel-0")
        system.system.fall_back(backup)
        a_day_later(system.system)
        with pytest.raises(TransactionNotFound):
            asks(system, transaction)
        assert system.spendable == before
        assert system.authorize("40.00") == transaction
        assert system.spendable == before - 4_000
