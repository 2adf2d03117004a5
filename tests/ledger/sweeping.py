"""Sweepers that run in threads: what a test needs to hold them up, to take their lead away and to wait for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from unittest import mock

import pytest

from app.ledger import sweeper
from app.ledger.storage.connection import Connection, Fleet
from app.ledger.sweeper import Sweeper
from mappers.base import OutcomeUnknown, Receipt
from tests.ledger.faults import Killed, dies
from tests.ledger.system import ChangeableRegistry, System

# For what other threads do; nothing takes this long but on a machine that is stuck.
PATIENCE_SECONDS = 60


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up, "it did not come about"
        time.sleep(0.005)


class WatchedFleet(Fleet):
    """A fleet in which a test takes the lead away, and counts how often it was asked for."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.asked = 0
        self.taken = False

    def lead(self, name: str, token: str, duration: timedelta) -> bool:
        leads = not self.taken and super().lead(name, token, duration)
        self.asked += 1
        return leads

    def wait_until_asked_again(self) -> None:
        before = self.asked
        until(lambda: self.asked > before + 2)


class Hanging:
    """A backend that answers nothing until it is released."""

    def __init__(self, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.asked = threading.Event()
        self.released = threading.Event()
        for method in ("ask", "run"):
            monkeypatch.setattr(system.mapper, method, self._hang)

    def _hang(self, *_: object) -> Receipt:
        self.count += 1
        self.asked.set()
        assert self.released.wait(PATIENCE_SECONDS)
        raise OutcomeUnknown("no answer", answered=True)


def interrupted(system: System, request_id: str) -> str:
    """Let a settlement's process be killed, long enough ago; return the transaction."""
    transaction = system.authorize("1.00", request_id)
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.settle(transaction, "1.00")
    system.lose_lease(transaction)
    return transaction


def is_settled(system: System, transaction: str) -> bool:
    return system.record(transaction).captured == 100 and system.record(transaction).unresolved is None


@contextmanager
def sweeping(
    system: System, *others: System, fleet: Fleet | None = None, lead_passes: int = 1_000
) -> Iterator[Sweeper]:
    """Sweep all the time, for the providers of these systems."""
    with mock.patch.object(sweeper, "LEAD_PASSES", lead_passes):
        running = _sweeper(system, *others, fleet=fleet)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def _sweeper(system: System, *others: System, fleet: Fleet | None) -> Sweeper:
    return Sweeper(
        system.storage,
        system.index,
        fleet or WatchedFleet(system.connection),
        system.parts.clock,
        system.parts.executor,
        ChangeableRegistry(system.provider, *(other.provider for other in others)),
        interval_seconds=0.01,
        deadline_seconds=5,
    )
