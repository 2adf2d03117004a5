"""Redis's clock may be wrong: nothing is given back or deleted by it, and acts on record are finished all the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.ledger import sweeper
from app.ledger.clock import BELIEVED_AFTER, TOLERANCE, ClockWatch, Reading
from app.ledger.storage.connection import Connection
from app.ledger.transaction import State
from mappers.base import OutcomeUnknown
from tests.ledger.faults import Killed, dies, lost_after
from tests.ledger.moved_clock import MovedClock
from tests.ledger.sweeping import PATIENCE_SECONDS, WatchedFleet, sweeping
from tests.ledger.system import MakeSystem, System

KEPT = "kept, since the clock is in doubt"


@pytest.fixture
def connection(empty_redis_url: str) -> MovedClock:
    return MovedClock(empty_redis_url)


@pytest.fixture
def system(make_system: MakeSystem, connection: MovedClock) -> System:
    return make_system(connection=connection)


def unacknowledged(system: System, value: str, request_id: str) -> str:
    """Authorize without VTEX hearing of it; return the transaction."""
    before = set(system.everything())
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize(value, request_id)
    (transaction,) = set(system.everything()) - before
    system.lose_lease(transaction)
    client = system.connection._client
    for key in client.scan_iter("gb:*:due"):
        client.zadd(key, {transaction: 0}, xx=True)
    assert system.sweeper.sweep_once().counts == {"resolved": 1}
    return transaction


@pytest.mark.parametrize("jump", [timedelta(days=31), timedelta(days=401), timedelta(minutes=20)], ids=str)
@pytest.mark.parametrize("same_machine", [False, True], ids=["Redis's clock", "Redis's and this machine's clock"])
def test_a_clock_that_jumps_for_one_pass_ends_nothing(
    system: System, connection: MovedClock, jump: timedelta, same_machine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = unacknowledged(system, "5.00", "order-0")
    held = system.authorize("40.00", "order-1")
    closed = system.authorize("10.00", "order-2")
    system.settle(closed, "10.00")
    interrupted = system.authorize("1.00", "order-3")
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.settle(interrupted, "0.50")
    assert system.sweeper.sweep_once().counts == {}

    connection.ahead = jump
    if same_machine:
        monkeypatch.setattr(system.parts.clock, "_machine", lambda: time.time() + jump.total_seconds())
    counts = system.sweeper.sweep_once().counts
    # Of who settles it just then nobody can tell whether the lease is over.
    assert counts["left for later"] == 1
    assert set(counts) == {"left for later", KEPT}

    connection.ahead = timedelta()
    monkeypatch.undo()
    assert system.sweeper.sweep_once().counts == {}
    assert system.record(waiting).state is State.AUTHORIZED
    assert system.settle(held, "40.00", "late")
    assert system.cancel(closed, "10.00", "refund")
    system.lose_lease(interrupted)
    assert system.settle(interrupted, "0.50", "rest")


def once_it_is_read(
    system: System, connection: MovedClock, monkeypatch: pytest.MonkeyPatch, touch: Callable[[], object]
) -> None:
    """Let VTEX touch the transaction that the sweeper has just read, and then Redis's clock jump."""
    load = system.storage.load

    def then_touched(transaction_id: str) -> Any:
        record = load(transaction_id)
        monkeypatch.undo()
        touch()
        connection.ahead = timedelta(days=401)
        return record

    monkeypatch.setattr(system.storage, "load", then_touched)


def test_what_was_touched_is_not_ended_by_a_clock_that_jumps_in_the_middle_of_a_pass(
    system: System, connection: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = system.authorize("40.00")
    system.make_due()
    once_it_is_read(system, connection, monkeypatch, lambda: system.settle(transaction, "10.00"))
    assert system.sweeper.sweep_once().counts == {"touched meanwhile": 1}
    assert system.record(transaction).rest == 3_000


def test_what_vtex_came_back_for_is_not_abandoned_by_a_clock_that_jumps_in_the_middle_of_a_pass(
    system: System, connection: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = unacknowledged(system, "40.00", "order-1")
    system.make_due()
    once_it_is_read(system, connection, monkeypatch, lambda: system.authorize("40.00", "order-1"))
    assert system.sweeper.sweep_once().counts == {"touched meanwhile": 1}
    assert system.record(transaction).rest == 4_000


def test_what_was_touched_is_not_forgotten_by_a_clock_that_jumps_in_the_middle_of_a_pass(
    system: System, connection: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    system.make_due()
    once_it_is_read(system, connection, monkeypatch, lambda: system.cancel(transaction, "10.00"))
    assert system.sweeper.sweep_once().counts == {"touched meanwhile": 1}
    assert system.record(transaction).refunded == 1_000


def test_a_pass_ends_so_many_and_the_next_goes_on(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "ENDINGS_PER_PASS", 2)
    for number in range(5):
        system.authorize("1.00", f"order-{number}")
    system.make_due()
    for ended in ({"expired": 2, "left for the next pass": 3}, {"expired": 2, "left for the next pass": 1}):
        assert system.sweeper.sweep_once().counts == ended
    assert system.sweeper.sweep_once().counts == {"expired": 1}


def test_who_does_not_lead_watches_the_clock_as_well(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may lead next, after a jump."""
    looks, look, fleet = Event(), system.parts.clock.look, WatchedFleet(system.connection)
    fleet.taken = True

    def counted() -> Reading:
        if fleet.asked > 1:
            looks.set()
        return look()

    monkeypatch.setattr(system.parts.clock, "look", counted)
    with sweeping(system, fleet=fleet):
        assert looks.wait(PATIENCE_SECONDS)


def test_what_cannot_be_ended_takes_nobody_elses_place(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "ENDINGS_PER_PASS", 1)
    closed = system.authorize("1.00", "order-1")
    system.settle(closed, "1.00")
    system.make_due()
    monkeypatch.setattr(system.storage, "forget", lambda *_, **__: False)
    other = system.authorize("1.00", "order-2")
    client = system.connection._client
    for key in client.scan_iter("gb:*:due"):
        client.zadd(key, {other: 1}, xx=True)
    assert system.sweeper.sweep_once().counts == {"touched meanwhile": 1, "expired": 1}


class Clocks(Connection):
    """Redis's clock, this machine's and one that is never set, in seconds; no Redis."""

    def __init__(self) -> None:
        self.redis = self.machine = 1_800_000_000.0
        self.steady = 1000.0
        self.watch = ClockWatch(self, machine=lambda: self.machine, steady=lambda: self.steady)
        self.watch.look()

    def now_milliseconds(self) -> int:
        return int(self.redis * 1000)

    def go_on(self, seconds: float = 5.0, *, redis: float = 0.0, machine: float = 0.0) -> str | None:
        """Let time pass, with clocks that are set ahead meanwhile; return what is doubted."""
        self.steady += seconds
        self.redis += seconds + redis
        self.machine += seconds + machine
        return self.watch.look().doubt


BEYOND = TOLERANCE.total_seconds() + 1


def test_clocks_that_go_on_evenly_are_believed() -> None:
    clocks = Clocks()
    for _ in range(100):
        assert clocks.go_on(3600, redis=-10, machine=-10) is None  # they are slow by five hours in the end


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_unlike_this_machines_is_in_doubt_until_they_agree(sign: int) -> None:
    clocks = Clocks()
    assert "this machine's" in str(clocks.go_on(machine=sign * BEYOND))
    assert "this machine's" in str(clocks.go_on(2 * BELIEVED_AFTER.total_seconds()))
    assert clocks.go_on(machine=-sign * BEYOND) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_that_jumped_with_this_machines_is_in_doubt_for_a_day(sign: int) -> None:
    clocks = Clocks()
    assert "jumped" in str(clocks.go_on(redis=sign * BEYOND, machine=sign * BEYOND))
    assert "jumped" in str(clocks.go_on(BELIEVED_AFTER.total_seconds() - 1))
    assert clocks.go_on(1) is None
    assert clocks.go_on() is None


def test_a_clock_that_jumps_again_is_in_doubt_for_another_day() -> None:
    clocks = Clocks()
    day = BELIEVED_AFTER.total_seconds()
    assert clocks.go_on(redis=BEYOND, machine=BEYOND)
    assert clocks.go_on(day - 1, redis=BEYOND, machine=BEYOND)
    assert clocks.go_on(day - 1)
    assert clocks.go_on(1) is None


def test_a_clock_that_was_set_back_after_a_jump_is_believed_at_once() -> None:
    clocks = Clocks()
    assert clocks.go_on(redis=BEYOND, machine=BEYOND)
    assert clocks.go_on(redis=-BEYOND, machine=-BEYOND) is None


def test_the_log_says_when_a_doubt_begins_and_ends() -> None:
    clocks = Clocks()
    with capture_logs() as lines:
        for _ in range(2):
            clocks.go_on(machine=-BEYOND)
        for _ in range(2):
            clocks.go_on(machine=BEYOND)
    assert [line["log_level"] for line in lines] == ["error", "warning"]
    assert "0:05:01 ahead of this machine's" in lines[0]["reason"]
    assert lines[0]["remedy"]
