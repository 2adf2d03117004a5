"""The intent is on disk before the backend is called, and each result before the next call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.ledger.errors import LedgerUnavailable
from mappers.base import (
    Holds,
    Receipt,
    Step,
)
from tests.ledger.driver import (
    half_settled,
)
from tests.ledger.faults import (
    Killed,
    Run,
    undisturbed,
)
from tests.ledger.system import MakeSystem, System


def test_with_redis_down_nothing_reaches_the_backend(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise LedgerUnavailable("down")

    transaction = system.authorize("40.00")
    before = len(system.backend.calls)
    monkeypatch.setattr(system.connection, "call", refuse)
    for call in (
        lambda: system.authorize("1.00", "order-2"),
        lambda: system.settle(transaction, "1.00"),
        lambda: system.cancel(transaction, "1.00"),
        lambda: system.settlements(transaction),
    ):
        with pytest.raises(LedgerUnavailable):
            call()
    assert len(system.backend.calls) == before


@pytest.mark.parametrize("holds", list(Holds))
def test_with_redis_down_the_balance_is_not_read(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch, holds: Holds
) -> None:
    system = make_system(holds)
    looks: list[None] = []

    def refuse(*arguments: object) -> None:
        raise LedgerUnavailable("down")

    system.mapper.on_look = lambda: looks.append(None)
    monkeypatch.setattr(system.connection, "call", refuse)
    with pytest.raises(LedgerUnavailable):
        system.authorize("40.00")
    assert (looks, system.backend.calls) == ([], [])


def test_a_step_is_on_disk_before_the_next_one_runs(system: System) -> None:
    transaction = half_settled(system)
    on_disk: list[bool] = []

    def look(step: Step, run: Run) -> Receipt:
        on_disk.extend(step.receipt is not None for step in system.record(transaction).acts[2].steps)
        return run()

    system.mapper.faults = [undisturbed, look]
    system.cancel(transaction, "35.00")
    assert on_disk == [True, False]


def test_an_intent_without_a_result_is_due_for_the_sweeper(system: System) -> None:
    def dies(step: Step, run: Run) -> Receipt:
        raise Killed

    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.authorize("40.00")
    system.lose_lease(system.only_record().id)
    assert system.sweep() == {"abandoned": 1}


def test_a_money_call_makes_two_round_trips_to_redis(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    trips: list[object] = []
    call = system.connection.call
    system.settle(system.authorize("1.00", "order-0"), "1.00")  # loads the scripts

    def counted(command: Callable[[object], object], *named: str) -> object:
        trips.append(command)
        return call(command, *named)

    monkeypatch.setattr(system.connection, "call", counted)
    transaction = system.authorize("40.00")
    assert len(trips) == 2
    system.settle(transaction, "40.00")
    assert len(trips) == 4
